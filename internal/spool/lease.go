package spool

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// leaseFor is how long at most a lease is held. Whoever opens the file to write it waits
// as long, so it is short; a flush and a claim that follow one another take less.
const leaseFor = 20 * time.Millisecond

// leases are those that are held on files which are flushed together.
type leases struct {
	mostFD int // descriptors from this on are left to others

	mu    sync.Mutex
	all   []*lease    // guarded by mu
	left  int         // guarded by mu; how many of all have not ended
	timer *time.Timer // guarded by mu; ends those that are left
	late  bool        // guarded by mu; it has: no more are held
}

// lease is a read lease on an open file, and the descriptor.
type lease struct {
	group *leases
	fd    int

	flushing bool      // guarded by group.mu; the descriptor is needed
	ended    bool      // guarded by group.mu
	until    time.Time // guarded by group.mu; see GiveBack
}

// hold takes over a descriptor with a lease that is about to be flushed. nil: it does not,
// and the lease is given back.
func (g *leases) hold(fd int) *lease {
	g.mu.Lock()
	defer g.mu.Unlock()

	if g.late || fd >= g.mostFD {
		unlease(fd)

		return nil
	}

	if g.left == 0 {
		g.timer = time.AfterFunc(leaseFor, g.expire)
	}

	l := &lease{group: g, fd: fd, flushing: true}
	g.all = append(g.all, l)
	g.left++

	return l
}

// expire ends what is left.
func (g *leases) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.late = true

	for _, l := range g.all {
		l.end()
	}
}

// flushed notes that the flush needs the descriptor no more.
func (l *lease) flushed() {
	l.group.mu.Lock()
	defer l.group.mu.Unlock()

	l.flushing = false

	if l.ended {
		discard(l.fd)
	}
}

// GiveBack is that of job.Lease.
func (l *lease) GiveBack() time.Time {
	l.group.mu.Lock()
	defer l.group.mu.Unlock()

	l.end()

	return l.until
}

// end gives the lease back. It is given back by name: a child that is just being started
// may have a copy of the descriptor, and with it the lease, for a moment longer. The
// group's mu is held.
func (l *lease) end() {
	if l.ended {
		return
	}

	now := time.Now()

	if isLeased(l.fd) {
		l.until = now
	}

	unlease(l.fd)

	if l.ended = true; !l.flushing {
		discard(l.fd)
	}

	if l.group.left--; l.group.left == 0 {
		l.group.timer.Stop()
	}
}

// spareFD returns below which descriptor files may be kept open for a moment. The kernel
// gives the lowest that is free: three quarters of all are left to what needs them.
func spareFD() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}

	return int(min(limit.Cur/4, math.MaxInt32))
}

// setLease takes a read lease on fd, or gives it back. It is refused while anybody has
// the file open for writing.
func setLease(fd, kind int) error {
	return again(func() error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, kind)

		return err //nolint:wrapcheck // leaseProblem wraps it
	})
}

// unlease gives the lease on fd back. That fails only where there is none.
func unlease(fd int) { _ = setLease(fd, unix.F_UNLCK) }

// isLeased says whether the lease on fd stands. It does not any more from when somebody
// has begun to open the file to write it.
func isLeased(fd int) bool {
	kind, err := unix.FcntlInt(uintptr(fd), unix.F_GETLEASE, 0)

	return err == nil && kind == unix.F_RDLCK
}

// tryLease takes a read lease on fd and gives it back at once: held any longer it would
// make the next writer wait.
func tryLease(fd int) error {
	err := setLease(fd, unix.F_RDLCK)
	if err == nil {
		unlease(fd)
	}

	return leaseProblem(err)
}

// leaseProblem gives the kernel's answer its kind. All but EAGAIN means that it
// will not tell: another user's file without CAP_LEASE, a file system without leases.
func leaseProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EAGAIN):
		return job.ErrOpen
	}

	return fmt.Errorf("%w: %w", job.ErrNoLease, err)
}

var _ job.Lease = (*lease)(nil)
