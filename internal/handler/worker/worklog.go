package worker

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	logMax  = 1 << 20   // bytes of a worker's log
	logKept = 512 << 10 // of these, when older ones go to make room
)

// worklog is what workers of one number write on standard output and error, one after
// the other. It is created with the first byte. When it is full all but its end goes.
// Trouble with the disk stays here: it must not harm the worker.
type worklog struct {
	path  string
	title string // of what follows, written before its first byte

	file *os.File // nil: not open
	size int64
}

// write adds b.
func (l *worklog) write(b []byte) {
	if l.file == nil && l.open() != nil {
		return
	}

	if over := len(b) - logKept; over > 0 {
		b = b[over:]
	}

	if l.size+int64(len(b)) > logMax && l.shorten() != nil {
		return
	}

	n, _ := l.file.WriteAt(b, l.size) // see the type
	l.size += int64(n)
}

// open opens the log at its end.
func (l *worklog) open() error {
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o640) // a group may read logs
	if err != nil {
		return err //nolint:wrapcheck // nobody is told
	}

	if l.size, err = file.Seek(0, io.SeekEnd); err != nil {
		_ = file.Close()

		return err //nolint:wrapcheck // as above
	}

	l.file = file
	l.write(fmt.Appendf(nil, "importerd: %s, %s\n", l.title, time.Now().UTC().Format(time.RFC3339)))

	return nil
}

// shorten drops all but the last lines. It writes over the beginning, for which the
// disk needs no room, and cuts afterwards.
func (l *worklog) shorten() error {
	kept := make([]byte, min(logKept, l.size))
	if _, err := l.file.ReadAt(kept, l.size-int64(len(kept))); err != nil {
		return err //nolint:wrapcheck // as above
	}

	if _, whole, ok := bytes.Cut(kept, []byte("\n")); ok {
		kept = whole
	}

	kept = append([]byte("importerd: older output left out here\n"), kept...)

	if _, err := l.file.WriteAt(kept, 0); err != nil {
		return err //nolint:wrapcheck // as above
	}

	if err := l.file.Truncate(int64(len(kept))); err != nil {
		return err //nolint:wrapcheck // as above
	}

	l.size = int64(len(kept))

	return nil
}

// close ends the writing.
func (l *worklog) close() {
	if l.file != nil {
		_ = l.file.Close() // a log; see the type
		l.file = nil
	}
}

// addReason writes into a job's log why a worker did not end it well. The log may be
// lost, and does not grow for ever.
func addReason(path string, attempt int, reason string) {
	if path == "" || reason == "" {
		return
	}

	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return
	}
	defer file.Close()

	if info, err := file.Stat(); err == nil && info.Size() < logMax {
		_, _ = fmt.Fprintf(file, "importerd: attempt %d, %s\n%s\n", attempt, time.Now().UTC().Format(time.RFC3339), reason)
	}
}
