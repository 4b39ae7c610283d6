package worker

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// appendRequest adds the line that gives a worker its task.
func appendRequest(b []byte, t *handler.Task) []byte {
	b = append(b, `{"job":"`...)
	b = appendID(b, t.Job.ID)
	b = append(b, '"')
	b = appendField(b, "file", t.Path)
	b = appendField(b, "name", t.Job.Name)
	b = append(b, `,"attempt":`...)
	b = strconv.AppendInt(b, int64(t.Job.Attempt), 10)
	b = appendField(b, "results", t.Results)
	b = appendField(b, "checkpoint", t.Job.Checkpoint)

	return append(b, '}', '\n')
}

// appendCancel adds the line that asks a worker to give a job up.
func appendCancel(b []byte, id job.ID) []byte {
	b = append(b, `{"job":"`...)
	b = appendID(b, id)

	return append(b, `","cancel":true}`+"\n"...)
}

// appendID adds the text form of an id without a detour over a string.
func appendID(b []byte, id job.ID) []byte {
	for i, part := range [][]byte{id[0:4], id[4:6], id[6:8], id[8:10], id[10:16]} {
		if i > 0 {
			b = append(b, '-')
		}

		b = hex.AppendEncode(b, part)
	}

	return b
}

// appendField adds a field with a string, and its bytes beside it where no JSON
// string can hold them.
func appendField(b []byte, key, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	b = append(b, '"', ':')
	b = appendString(b, value)

	if utf8.ValidString(value) {
		return b
	}

	b = append(b, ',', '"')
	b = append(b, key...)
	b = append(b, `_b64":"`...)
	b = base64.StdEncoding.AppendEncode(b, []byte(value))

	return append(b, '"')
}

// appendString adds a JSON string.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0 // where what needs no escape begins

	for i := 0; i < len(s); {
		size, escaped := width(s[i:])
		if escaped {
			b = appendEscape(append(b, s[plain:i]...), s[i])
			plain = i + size
		}

		i += size
	}

	return append(append(b, s[plain:]...), '"')
}

// width returns how many bytes the first character of s has, and whether it needs an
// escape.
func width(s string) (int, bool) {
	c := s[0]
	if c < utf8.RuneSelf {
		return 1, c < ' ' || c == '"' || c == '\\'
	}

	r, size := utf8.DecodeRuneInString(s)

	return size, r == utf8.RuneError && size == 1
}

// appendEscape adds the escape for a byte.
func appendEscape(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"

	switch {
	case c >= utf8.RuneSelf:
		return append(b, `\ufffd`...)
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	}

	return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
