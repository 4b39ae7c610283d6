package worker

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outgoing is the way to a worker's standard input. What is added while it writes goes
// out in one piece afterwards.
type outgoing struct{ *pipe }

// pipe is what an outgoing shares with its goroutine.
type pipe struct {
	wake chan struct{} // flush, start, end and stop send, run receives; holds one; never closed
	gone sync.WaitGroup

	mu   sync.Mutex // taken after that of the handler
	file *os.File   // guarded by mu; nil: not open
	twin *os.File   // guarded by mu; the same pipe, by which its other end is watched
	next []byte     // guarded by mu; not yet written

	conn syscall.RawConn    // guarded by mu; of file; nil: run is not there yet
	push func(uintptr) bool // writes of next what the pipe takes at once; mu is held
	took int                // guarded by mu; what push has written

	added   int64 // guarded by mu; bytes that were to be written so far
	sent    int64 // guarded by mu; of these, that are written
	busy    bool  // guarded by mu; some are just being written
	ended   bool  // guarded by mu; nothing follows: the file is to be closed
	stopped bool  // guarded by mu; the process has ended
	closed  bool  // guarded by mu; of the file
}

func newOutgoing() outgoing {
	p := &pipe{wake: make(chan struct{}, 1)}
	p.push = func(fd uintptr) bool {
		n, err := unix.Write(int(fd), p.next)
		if err == nil {
			p.took = n
		}

		return true // run waits where it must
	}

	return outgoing{p}
}

// open makes the pipe and returns the end that the process gets.
func (p *pipe) open() (int, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return -1, fmt.Errorf("pipe: %w", err)
	}

	if err := unix.SetNonblock(fds[1], true); err != nil {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])

		return -1, fmt.Errorf("pipe: %w", err)
	}

	p.mu.Lock()
	defer p.mu.Unlock()

	twin, err := unix.FcntlInt(uintptr(fds[1]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])

		return -1, fmt.Errorf("pipe: %w", err)
	}

	p.file, p.twin = os.NewFile(uintptr(fds[1]), "pipe"), os.NewFile(uintptr(twin), "pipe")

	return fds[0], nil
}

// start begins to write. If the process closes its end, also by its own end, broken is
// called once.
func (p *pipe) start(broken func()) {
	p.mu.Lock()
	p.conn, _ = p.file.SyscallConn() // nil: run writes all
	p.poke()
	p.mu.Unlock()

	p.gone.Go(p.run)
	p.gone.Go(func() {
		if p.breaks() {
			broken()
		}
	})
}

// breaks waits until the process has closed its end; false: we have closed ours.
func (p *pipe) breaks() bool {
	conn, err := p.twin.SyscallConn()
	if err != nil {
		return false
	}

	broken := false

	// What it reads wakes the poller now and then, the end of all reading for certain.
	err = conn.Write(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(fds, 0)
		broken = err == nil && n > 0 && fds[0].Revents&unix.POLLERR != 0

		return broken
	})

	return err == nil && broken
}

// add adds what flush is to write, and returns where it begins.
func (p *pipe) add(appendTo func([]byte) []byte) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()

	at, before := p.added, len(p.next)
	p.next = appendTo(p.next)
	p.added += int64(len(p.next) - before)

	return at
}

// flush writes what was added. What the pipe does not take at once it leaves to run, so
// that it never waits.
func (p *pipe) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()

	if len(p.next) == 0 {
		return
	}

	if p.conn != nil && !p.busy && !p.stopped && !p.closed {
		p.took = 0

		if err := p.conn.Write(p.push); err == nil {
			p.sent += int64(p.took)
			p.next = append(p.next[:0], p.next[p.took:]...)
		}
	}

	if len(p.next) > 0 {
		p.poke()
	}
}

// end closes the pipe when all is written.
func (p *pipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.ended = true
	p.poke()
}

// stop ends the writing: the process has ended.
func (p *pipe) stop() {
	p.mu.Lock()
	p.stopped = true

	if p.file != nil && !p.closed {
		_ = p.file.SetWriteDeadline(time.Unix(1, 0)) // a pipe knows deadlines
		_ = p.twin.SetWriteDeadline(time.Unix(1, 0))
	}

	p.poke()
	p.mu.Unlock()
	p.gone.Wait()
}

// written returns how many bytes were written.
func (p *pipe) written() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.sent
}

// unread returns how many of the written bytes the process has not read, and closes the
// pipe. It comes after stop.
func (p *pipe) unread() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()

	n := p.held()
	p.close()

	return n
}

// left is unread for a process that does not read any more; false: not known yet.
func (p *pipe) left() (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.held(), !p.busy
}

// held returns how many bytes the pipe holds; mu is held.
func (p *pipe) held() int64 {
	if p.file == nil || p.closed {
		return 0
	}

	conn, err := p.file.SyscallConn()
	if err != nil {
		return 0
	}

	held := 0

	_ = conn.Control(func(fd uintptr) { // then held is 0
		held, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) // FIONREAD by its other name
	})

	return int64(held)
}

// close closes the file; mu is held.
func (p *pipe) close() {
	if p.file != nil && !p.closed {
		p.closed = true
		_ = p.twin.Close()
		_ = p.file.Close() // a pipe has nothing to flush
	}
}

// poke wakes run; mu is held, or nobody else knows p.
func (p *pipe) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run writes until nothing follows, or the process does not read any more.
func (p *pipe) run() {
	var buf []byte

	for range p.wake {
		var more bool

		if buf, more = p.take(buf); !more {
			return
		}

		n, err := p.file.Write(buf)

		p.mu.Lock()
		p.sent += int64(n)
		p.busy = false
		p.mu.Unlock()

		if err != nil {
			return
		}
	}
}

// take takes what is to be written; false: nothing is any more.
func (p *pipe) take(buf []byte) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.stopped {
		return nil, false
	}

	if len(p.next) == 0 && p.ended {
		p.close()

		return nil, false
	}

	buf, p.next, p.busy = p.next, buf[:0], true

	if p.ended {
		p.poke()
	}

	return buf, true
}
