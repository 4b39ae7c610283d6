package command

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// How much of an attempt's output is kept, in bytes.
const (
	headSize = 256 << 10 // in the log, as it comes
	restSize = 768 << 10 // in the log, at the end
	tailSize = 4 << 10   // in the Exit
)

// output takes what one run writes. The first part goes into the log at
// once, so that one can watch it; of what follows the end is held in memory and
// written when the attempt is over, after a line that tells the gap.
type output struct {
	log    attemptLog
	head   int // bytes that still go into the log at once
	rest   ring
	recent ring
}

func newOutput(log attemptLog) *output {
	return &output{
		log:    log,
		head:   headSize,
		rest:   ring{size: restSize},
		recent: ring{size: tailSize},
	}
}

// take adds b. It waits for nothing but the disk.
func (o *output) take(b []byte) time.Time {
	o.recent.put(b)

	n := min(o.head, len(b))
	o.head -= n
	o.log.write(b[:n])

	if o.log.path != "" {
		o.rest.put(b[n:])
	}

	return time.Time{}
}

// finish writes what was held back and returns the last lines as text.
func (o *output) finish() []byte {
	if o.rest.lost > 0 {
		o.log.note(fmt.Sprintf("%d bytes of output left out here", o.rest.lost))
	}

	older, newer := o.rest.parts()
	o.log.write(older)
	o.log.write(newer)
	o.log.close()

	return text(o.recent.bytes(), o.recent.lost > 0)
}

// text returns b as lines of UTF-8 without control characters, which must not
// reach a terminal by way of a note or a log; nil for nothing. If b was cut at
// its beginning, the broken first line goes, unless there is no other.
func text(b []byte, cut bool) []byte {
	if cut {
		if _, whole, ok := bytes.Cut(b, []byte("\n")); ok && len(whole) > 0 {
			b = whole
		}
	}

	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	b = bytes.Map(printable, b)

	if over := len(b) - tailSize; over > 0 {
		b = b[over:]
		for len(b) > 0 && !utf8.RuneStart(b[0]) {
			b = b[1:]
		}
	}

	if len(b) == 0 {
		return nil
	}

	return b
}

// printable returns r, or what stands for it in a text. Programs that draw a
// progress bar return the carriage: each state of it becomes a line.
func printable(r rune) rune {
	switch {
	case r == '\r':
		return '\n'
	case r == '\n' || r == '\t':
		return r
	case unicode.IsControl(r) || strings.ContainsRune(bidi, r):
		return utf8.RuneError
	default:
		return r
	}
}

// bidi holds the characters that steer the direction of text.
const bidi = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
