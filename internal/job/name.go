package job

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest name that a file may have, in bytes.
const MaxName = 255

// temporarySuffixes mark names under which tools write before they rename.
var temporarySuffixes = []string{ //nolint:gochecknoglobals // a table that nobody writes to
	".tmp", ".part", ".filepart", ".crdownload", "~",
}

// Temporary says whether name is one under which tools write files that are
// not whole yet: a leading dot, or one of the usual suffixes. Such files are
// never taken.
func Temporary(name string) bool {
	if strings.HasPrefix(name, ".") {
		return true
	}

	for _, suffix := range temporarySuffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}

	return false
}

// CheckName says what is wrong with a name that a person or a program gives to
// a file that we shall create. Names that only lie in a directory are not
// checked so: bytes are as good there.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty: give one with at least one character")
	case len(name) > MaxName:
		return fmt.Errorf("the name has %d bytes: at most %d are possible", len(name), MaxName)
	case strings.ContainsRune(name, '/'):
		return fmt.Errorf("name %q contains a slash: give the name alone, without a directory", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("name %s is not UTF-8: give another one", strconv.QuoteToASCII(name))
	case strings.IndexFunc(name, unicode.IsControl) >= 0:
		return fmt.Errorf("name %q contains a control character: give another one", name)
	case Temporary(name):
		return fmt.Errorf("name %q would be ignored as temporary "+
			"(leading dot, *.tmp, *.part, *.filepart, *.crdownload, *~): give another one", name)
	}

	return nil
}

// WithID returns the name that a file gets where its own is taken:
// stem.<id>.ext. The stem reaches to the first dot that is not the first byte
// and is cut on a UTF-8 border so that the whole has at most MaxName bytes; an
// extension that leaves no room for that is cut too.
func WithID(name string, id ID) string {
	stem, ext := name, ""
	if len(name) > 0 {
		if dot := strings.IndexByte(name[1:], '.'); dot >= 0 {
			stem, ext = name[:dot+1], name[dot+1:]
		}
	}

	middle := "." + id.String()
	room := MaxName - len(middle)

	if len(ext) >= room {
		ext = cut(ext, room-1)
	}

	return cut(stem, room-len(ext)) + middle + ext
}

// cut returns the longest prefix of s with at most n bytes that does not split
// a UTF-8 sequence. Bytes that are no UTF-8 count one by one.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}

	end := 0

	for end < n {
		_, size := utf8.DecodeRuneInString(s[end:])
		if end+size > n {
			break
		}

		end += size
	}

	return s[:end]
}

// Show returns name for a log line or a terminal: control characters, bytes
// that are not UTF-8 and characters that steer the direction of text are
// escaped as in Go; everything else is left as it is.
func Show(name string) string {
	var b strings.Builder

	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])

		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, name[i])
		case !strconv.IsPrint(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteString(name[i : i+size])
		}

		i += size
	}

	return b.String()
}
