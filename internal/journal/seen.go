package journal

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"importerd/internal/job"
)

// appendSeen writes what the kernel said of a file, but for its name, as eight
// words: one column is cheaper than eight, and nobody searches by them.
func appendSeen(b []byte, f *job.File) []byte {
	b = strconv.AppendUint(b, f.Dev, 10)
	b = strconv.AppendUint(append(b, ' '), f.Ino, 10)
	b = strconv.AppendInt(append(b, ' '), f.Size, 10)
	b = strconv.AppendUint(append(b, ' '), uint64(f.Mode), 8)
	b = strconv.AppendUint(append(b, ' '), uint64(f.UID), 10)

	for _, t := range []time.Time{f.Mtime, f.Ctime, f.Btime} {
		b = appendStamp(append(b, ' '), t)
	}

	return b
}

// appendStamp writes a time of a file system, which may be any year.
func appendStamp(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, '-')
	}

	b = strconv.AppendInt(b, t.Unix(), 10)
	b = append(b, ".000000000"...)

	for at, n := len(b)-1, t.Nanosecond(); n > 0; at, n = at-1, n/10 {
		b[at] = byte('0' + n%10)
	}

	return b
}

// parseSeen reads what appendSeen has written.
func parseSeen(s string) (job.File, error) {
	words := strings.Split(s, " ")
	if len(words) != 8 {
		return job.File{}, fmt.Errorf("file %q: want eight words", s)
	}

	var (
		f     job.File
		p     parser
		stamp = []*time.Time{&f.Mtime, &f.Ctime, &f.Btime}
	)

	f.Dev = p.unsigned(words[0], 10, 64)
	f.Ino = p.unsigned(words[1], 10, 64)
	f.Size = p.signed(words[2])
	f.Mode = uint32(p.unsigned(words[3], 8, 32))
	f.UID = uint32(p.unsigned(words[4], 10, 32))

	for i, word := range words[5:] {
		*stamp[i] = p.stamp(word)
	}

	if p.err != nil {
		return job.File{}, fmt.Errorf("file %q: %w", s, p.err)
	}

	return f, nil
}

// parser keeps the first error.
type parser struct {
	err error
}

func (p *parser) note(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *parser) unsigned(s string, base, bits int) uint64 {
	n, err := strconv.ParseUint(s, base, bits)
	p.note(err)

	return n
}

func (p *parser) signed(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	p.note(err)

	return n
}

func (p *parser) stamp(s string) time.Time {
	if s == "-" {
		return time.Time{}
	}

	seconds, nanos, _ := strings.Cut(s, ".")

	return time.Unix(p.signed(seconds), p.signed(nanos))
}
