package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Reads begin with a small buffer, as most commands say nothing, and go on with
// a large one when that was filled.
const (
	smallRead = 1 << 10
	largeRead = 64 << 10
)

// pipe carries what processes write to us. It is always read, whatever becomes
// of the bytes: a full or closed pipe would make the command fail for a reason
// that is ours. Only that of a process which ends soon is read when it has ended.
type pipe struct {
	fd     int         // of the reading end
	reader *os.File    // the reading end, once it was opened: waits in the runtime's poller; nil: not yet
	writer int         // descriptor for the process; blocks, as programs expect
	over   atomic.Bool // set by finish
}

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}

	return &pipe{fd: fds[0], writer: fds[1]}, nil
}

// open makes the pipe ready for pump, before which it must be called.
func (p *pipe) open() {
	_ = unix.SetNonblock(p.fd, true) // of a descriptor that is open

	p.reader = os.NewFile(uintptr(p.fd), "pipe")
}

// drain gives take what the pipe holds and closes it, if it was not opened. No more
// is read than it holds, so that nobody who keeps it open is waited for.
func (p *pipe) drain(take func([]byte) time.Time) {
	if p.reader != nil {
		return
	}

	defer func() { _ = unix.Close(p.fd) }()

	held, err := unix.IoctlGetInt(p.fd, unix.TIOCINQ) // FIONREAD by its other name
	if err != nil || held == 0 {
		return
	}

	buf := make([]byte, held)

	for len(buf) > 0 {
		n, err := unix.Read(p.fd, buf)

		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || n <= 0:
			return
		}

		take(buf[:n])
		buf = buf[n:]
	}
}

// close closes the reading end of a pipe of which no process came to be.
func (p *pipe) close() { _ = unix.Close(p.fd) }

// release closes our copy of the writing end, so that the end of the last
// process that has one is seen.
func (p *pipe) release() {
	_ = unix.Close(p.writer) // a pipe has nothing to flush
}

// pump gives take all that is written, until nobody can write any more or
// finish was called, and closes the pipe. take gets nothing when the time comes
// that it returned last; the zero time: it waits for nothing.
func (p *pipe) pump(take func([]byte) time.Time) {
	defer p.reader.Close()

	var wake time.Time

	buf := make([]byte, smallRead)

	for !p.over.Load() {
		n, err := p.reader.Read(buf)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}

		if next := take(buf[:n]); !next.Equal(wake) {
			wake = next
			_ = p.reader.SetReadDeadline(wake)
		}

		if n == len(buf) && n < largeRead {
			buf = make([]byte, largeRead)
		}
	}

	p.rest(take)
}

// finish makes pump return after what the pipe holds now. It may be called
// from another goroutine.
func (p *pipe) finish() {
	if p.reader == nil {
		return
	}

	p.over.Store(true)
	_ = p.reader.SetReadDeadline(time.Unix(1, 0)) // closed already: all was read
}

// rest reads what the pipe holds. That is known beforehand, and we are the only
// reader, so it neither waits for those who keep the pipe open nor reads on for
// as long as they write.
func (p *pipe) rest(take func([]byte) time.Time) {
	held := 0

	conn, err := p.reader.SyscallConn()
	if err != nil {
		return
	}

	_ = conn.Control(func(fd uintptr) { // then held is 0
		held, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) // FIONREAD by its other name
	})

	_ = p.reader.SetReadDeadline(time.Time{})

	rest, _ := io.ReadAll(io.LimitReader(p.reader, int64(held))) // what came is taken
	if len(rest) > 0 {
		take(rest)
	}
}
