package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// hold is the lock of one attempt of ours: what would otherwise be asked of the disk
// again for each step of each attempt.
type hold struct {
	note   lockNote
	since  uint64 // ticks when it was taken: its process is started later
	writer int    // a descriptor of the lock file that no handler gets, without the lock
}

// holds are the locks of all attempts of ours.
type holds struct {
	mu   sync.Mutex
	jobs map[job.ID]*hold // guarded by mu
	free []spareLock      // guarded by mu; lock files that nobody has
	boot string           // guarded by mu; see BootID; empty: not asked for yet
}

// spareLock is a lock file of a job that is over.
type spareLock struct {
	name   string
	writer int
}

// keep takes a lock file that nobody has any more.
func (h *holds) keep(name string, writer int) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.free = append(h.free, spareLock{name, writer})
}

// spare gives out one that keep has taken, the one of that name if there is one: under
// no other may it be given out later. A writer below 0: there is none.
func (h *holds) spare(name string) spareLock {
	h.mu.Lock()
	defer h.mu.Unlock()

	if len(h.free) == 0 {
		return spareLock{writer: -1}
	}

	at := slices.IndexFunc(h.free, func(one spareLock) bool { return one.name == name })
	if at < 0 {
		at = len(h.free) - 1
	}

	one := h.free[at]
	h.free = slices.Delete(h.free, at, at+1)

	return one
}

func (h *holds) put(id job.ID, one *hold) {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.jobs == nil {
		h.jobs = map[job.ID]*hold{}
	}

	h.jobs[id] = one
}

// get returns the hold of a job; nil: there is none.
func (h *holds) get(id job.ID) *hold {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.jobs[id]
}

// cut is get, and there is none afterwards.
func (h *holds) cut(id job.ID) *hold {
	h.mu.Lock()
	defer h.mu.Unlock()

	one := h.jobs[id]
	delete(h.jobs, id)

	return one
}

// bootID is BootID, asked for once.
func (h *holds) bootID() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.boot != "" {
		return h.boot, nil
	}

	var err error
	h.boot, err = BootID()

	return h.boot, err
}

// openLock makes the lock file of a job, which must not be there, and locks it.
func (s *Spool) openLock(id job.ID, note lockNote) (*os.File, error) {
	one := &hold{note: note}
	name := note.Job

	var err error
	if one.since, err = ticks(); err != nil {
		return nil, err
	}

	err = s.reuseLock(name, one)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.createLock(name, one)
	}

	if err != nil {
		return nil, err
	}

	reader, err := s.lockReader(name, one)
	if err != nil {
		return nil, discardFor(one.writer, err)
	}

	s.holds.put(id, one)

	return os.NewFile(uintptr(reader), s.locks.path+"/"+name), nil
}

// reuseLock takes the lock file of an attempt that has ended: to make and remove one
// for each attempt costs ten times as much, as ext4 shuns inodes that were just freed.
// fs.ErrNotExist: there is none.
func (s *Spool) reuseLock(name string, one *hold) error {
	for {
		old := s.holds.spare(name)
		if old.writer < 0 {
			return fs.ErrNotExist
		}

		err := s.renameLock(old, name)

		switch {
		case err == nil:
			one.writer = old.writer

			return nil
		case errors.Is(err, fs.ErrNotExist): // somebody has removed it
			discard(old.writer)
		default:
			s.holds.keep(old.name, old.writer)

			return err
		}
	}
}

// renameLock gives a lock file the name of a job, which it may have already.
func (s *Spool) renameLock(old spareLock, name string) error {
	if old.name != name {
		return rename(s.locks, old.name, s.locks, name)
	}

	there := false

	err := s.locks.use(func(at int) (err error) {
		there, err = stillAt(at, old.name, old.writer)

		return err
	})
	if err == nil && !there {
		err = fs.ErrNotExist
	}

	return err
}

// createLock makes a new lock file.
func (s *Spool) createLock(name string, one *hold) error {
	return s.locks.use(func(at int) (err error) {
		one.writer, err = openat(at, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)

		return err
	})
}

// lockReader returns the descriptor that is inherited, with the lock. It only reads, so
// that no handler writes into the file by mistake.
func (s *Spool) lockReader(name string, one *hold) (int, error) {
	reader := -1

	err := s.locks.use(func(at int) (err error) {
		reader, err = openat(at, name, unix.O_RDONLY|unix.O_NOFOLLOW, 0)

		return err
	})
	if err != nil {
		return -1, err
	}

	err = lockSoon(reader) // who looks for old handlers may be trying it
	if err == nil {
		err = one.write()
	}

	if err != nil {
		return -1, discardFor(reader, err)
	}

	return reader, nil
}

// write writes the note into the lock file. It goes over what was there: at each moment
// the file begins with a whole object, and what follows it means nothing.
func (h *hold) write() error {
	for off, text := int64(0), h.note.text(); len(text) > 0; {
		n, err := unix.Pwrite(h.writer, text, off)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("write: %w", err)
		}

		n = max(n, 0)
		off, text = off+int64(n), text[n:]
	}

	return nil
}

// NoteProcess writes into the lock file which process has the attempt, so that
// after a crash of ours it can be found. It must not have been waited for, or the number
// could mean another one by now. That it may have ended is no matter: the attempt was begun.
func (s *Spool) NoteProcess(lock *os.File, pid int) error {
	id, err := lockID(lock)
	if err != nil {
		return err
	}

	one := s.holds.get(id)
	if one == nil {
		return fmt.Errorf("bug: job %s has no lock of ours: %w", id, fs.ErrInvalid)
	}

	note := one.note
	note.PID, note.Since = pid, one.since

	if note.Start, err = ticks(); err != nil {
		return lockFailed("note the process in", id, err)
	}

	if note.Boot, err = s.holds.bootID(); err != nil {
		return lockFailed("note the process in", id, err)
	}

	one.note = note

	return lockFailed("write", id, one.write())
}

// UnlockJob closes the lock, if nobody else has it. Its file is used again, for the
// lock of another job; until then it says nothing, since nobody has its lock.
//
// Errors: job.ErrHeld: a process of the attempt lives, and the file stays;
// job.ErrDisk.
func (s *Spool) UnlockJob(id job.ID, lock *os.File) error {
	err := lock.Close()
	if errors.Is(err, fs.ErrClosed) {
		err = nil
	}

	one := s.holds.cut(id)
	if one == nil { // it was tried before
		return lockFailed("give back", id, errors.Join(err, s.dropLock(id, lockSoon)))
	}

	if err == nil {
		err = lockSoon(one.writer)
	}

	if err == nil {
		err = again(func() error { return unix.Flock(one.writer, unix.LOCK_UN) })
	}

	if err != nil {
		discard(one.writer)
	} else {
		s.holds.keep(one.note.Job, one.writer)
	}

	return lockFailed("give back", id, err)
}

// dropSpares removes the lock files that wait to be used again.
func (s *Spool) dropSpares() {
	for old := s.holds.spare(""); old.writer >= 0; old = s.holds.spare("") {
		_ = s.locks.unlink(old.name) // or the next start does

		discard(old.writer)
	}
}

// tick is the clock tick of /proc: the same on all machines for which there is Go.
const tick = time.Second / 100

// ticks returns the clock ticks since the boot, the time asleep included. Between two such
// a process was started of which it is known what came before and after; that is told
// faster than when it was.
func ticks() (uint64, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, fmt.Errorf("time since the boot: %w", err)
	}

	return uint64(time.Duration(t.Nano()) / tick), nil
}
