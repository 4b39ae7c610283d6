package worker

import "bytes"

// lines cuts what comes into lines of bounded length.
type lines struct {
	part []byte // the line so far
	long bool   // it is too long: the rest of it is passed over
}

// take calls each for each line that b ends, without its end; tooLong says that the
// line was a longer one, of which the beginning is given.
func (l *lines) take(b []byte, each func(line []byte, tooLong bool)) {
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		b = rest

		if !ended {
			l.keep(line)

			return
		}

		if len(l.part) > 0 || l.long || len(line) > maxLine {
			l.keep(line)
			line = l.part
		}

		each(line, l.long)

		l.part, l.long = l.part[:0], false
	}
}

// keep adds to the line so far, as far as that is bounded.
func (l *lines) keep(b []byte) {
	if over := len(l.part) + len(b) - maxLine; over > 0 {
		l.long = true
		b = b[:len(b)-over]
	}

	l.part = append(l.part, b...)
}
