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
// that is ours.
type pipe struct {
	reader *os.File    // does not block: waits in the runtime's poller
	writer int         // descriptor for the process; blocks, as programs expect
	over   atomic.Bool // set by finish
}

func newPipe() (*pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe: %w", err)
	}

	if err := unix.SetNonblock(fds[0], true); err != nil {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])

		return nil, fmt.Errorf("pipe: %w", err)
	}

	return &pipe{reader: os.NewFile(uintptr(fds[0]), "pipe"), writer: fds[1]}, nil
}

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
