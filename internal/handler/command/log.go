package command

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"
)

// attemptLog is the log of a job as one attempt writes it, or as the command
// does that tells of its failure. It is created with
// the first byte and appended to by later attempts, each under a line of its
// own. What an attempt adds is bounded by its output; before an attempt adds to
// a log of more than maxOlder bytes, all of it but the last keptOlder goes. So
// a log never holds much more than 2 MiB, and the latest attempts are in it.
//
// Trouble with the disk stays here: it must not harm the command. Each write
// tries anew, and what could not be written is told at the end, if that can be.
type attemptLog struct {
	path  string // empty: nothing is written
	title string // of what is written now, if there is something older
	later bool   // there is something older, even if it wrote nothing

	file   *os.File // nil: not open
	broken bool     // the last line has no end
	missed int64    // bytes that could not be written
	err    error    // why
}

// What is kept of older attempts, in bytes.
const (
	maxOlder  = headSize + restSize
	keptOlder = restSize
)

// write adds b.
func (l *attemptLog) write(b []byte) {
	if l.path == "" || len(b) == 0 {
		return
	}

	n, err := 0, l.open()
	if err == nil {
		n, err = l.file.Write(b)
	}

	if n > 0 {
		l.broken = b[n-1] != '\n'
	}

	if err != nil {
		l.missed += int64(len(b) - n)
		l.err = err
	}
}

// note adds a line of our own.
func (l *attemptLog) note(line string) {
	if l.path == "" || l.open() != nil {
		return
	}

	line = "importerd: " + line + "\n"
	if l.broken {
		line = "\n" + line
	}

	if _, err := l.file.WriteString(line); err == nil {
		l.broken = false
	}
}

// close tells what is missing. The log is not flushed: it may be lost in a
// power cut.
func (l *attemptLog) close() {
	if l.missed > 0 {
		l.note(fmt.Sprintf("%d bytes of output could not be written here: %v", l.missed, l.err))
	}

	if l.file != nil {
		_ = l.file.Close() // a log; see the type
		l.file = nil
	}
}

// open opens the log at its end, unless it is open.
func (l *attemptLog) open() error {
	if l.file != nil {
		return nil
	}

	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o640) // a group may read logs
	if err != nil {
		return err //nolint:wrapcheck // it names the path
	}

	older, err := l.goToEnd(file)
	if err != nil {
		_ = file.Close()

		return err
	}

	l.file = file
	if l.later || older {
		l.note(l.title + ", " + time.Now().UTC().Format(time.RFC3339))
	}

	return nil
}

// goToEnd goes to the end of the log, which it shortens first if it is long,
// and says whether anything is in it.
func (l *attemptLog) goToEnd(file *os.File) (older bool, err error) {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return false, err //nolint:wrapcheck // it names the path
	}

	last := make([]byte, 1)
	if _, err := file.ReadAt(last, end-1); err != nil {
		return false, err //nolint:wrapcheck // it names the path
	}

	l.broken = last[0] != '\n'

	if end > maxOlder {
		err = shorten(file, end)
	}

	return true, err
}

// shorten drops all but the last lines of a file of size bytes. It writes over
// the beginning, for which the disk needs no room, and cuts afterwards: who
// follows the file, goes on following it.
func shorten(file *os.File, size int64) error {
	kept := make([]byte, keptOlder)
	if _, err := file.ReadAt(kept, size-keptOlder); err != nil {
		return err //nolint:wrapcheck // it names the path
	}

	if _, lines, ok := bytes.Cut(kept, []byte("\n")); ok {
		kept = lines
	}

	kept = append([]byte("importerd: older output left out here\n"), kept...)

	if _, err := file.WriteAt(kept, 0); err != nil {
		return err //nolint:wrapcheck // it names the path
	}

	if err := file.Truncate(int64(len(kept))); err != nil {
		return err //nolint:wrapcheck // it names the path
	}

	_, err := file.Seek(0, io.SeekEnd)

	return err //nolint:wrapcheck // it names the path
}
