package trial

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lines of importerd's log that a trial counts, and those that it wants to see
// when something goes wrong.
const (
	lineDone  = `"message":"job done"`
	lineReady = `"message":"ready"`
)

// daemonLog counts lines of the daemon's log. It looks when it is asked to, so
// that a line that is written wakes up nobody.
type daemonLog struct {
	fd     int // the end to read, never blocking
	buffer []byte
	rest   []byte // the end of what was read: a line may come in two parts

	done  int       // jobs told to be done
	ready time.Time // when the daemon was seen to be ready
	last  []byte    // the last lines, for messages
}

// newDaemonLog returns a log and the end to write, which the caller closes.
func newDaemonLog() (*daemonLog, *os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, fmt.Errorf("open pipe: %w", err)
	}

	l := &daemonLog{fd: fds[0], buffer: make([]byte, 1<<20)}
	if err := unix.SetNonblock(l.fd, true); err != nil {
		return nil, nil, fmt.Errorf("open pipe: %w", err)
	}

	// A large pipe lets the daemon go on between two looks. A small one is slower.
	_, _ = unix.FcntlInt(uintptr(l.fd), unix.F_SETPIPE_SZ, 1<<20)

	return l, os.NewFile(uintptr(fds[1]), "log"), nil
}

// look reads what has come.
func (l *daemonLog) look() {
	for {
		n, err := unix.Read(l.fd, l.buffer)
		if n <= 0 || err != nil {
			return
		}

		l.count(l.buffer[:n])
	}
}

func (l *daemonLog) count(text []byte) {
	text = append(l.rest, text...)
	end := bytes.LastIndexByte(text, '\n') + 1

	l.done += bytes.Count(text[:end], []byte(lineDone))
	if l.ready.IsZero() && bytes.Contains(text[:end], []byte(lineReady)) {
		l.ready = time.Now()
	}

	l.last = append(l.last[:0], text[max(0, end-2000):end]...)
	l.rest = append([]byte(nil), text[end:]...)
}

// tail returns the last line, or what else was said.
func (l *daemonLog) tail() string {
	lines := bytes.Split(bytes.TrimSpace(append(l.last, l.rest...)), []byte{'\n'})

	return string(lines[len(lines)-1])
}

func (l *daemonLog) close() { _ = unix.Close(l.fd) } // only read from
