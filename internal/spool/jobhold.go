package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// hold is the lock of one attempt of ours: what would otherwise be asked of the disk
// again for each step of each attempt.
type hold struct {
	note   lockNote
	writer int           // a descriptor of the lock file that no handler gets, without the lock
	since  time.Duration // since the boot; the attempt's process was started after it
}

// holds are the locks of all attempts of ours.
type holds struct {
	mu   sync.Mutex
	jobs map[job.ID]*hold // guarded by mu
	boot string           // guarded by mu; see BootID; empty: not asked for yet
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

// createLock makes the lock file of a job, which must be new, and locks it. The
// descriptor that is inherited only reads, so that no handler writes into the file by
// mistake.
func (s *Spool) createLock(id job.ID, note lockNote) (*os.File, error) {
	one := &hold{note: note, writer: -1, since: sinceBoot()}
	text := id.String()
	reader := -1

	err := s.locks.use(func(at int) (err error) {
		one.writer, err = openat(at, text, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if err == nil {
			reader, err = openat(at, text, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
		}

		return err
	})
	if err == nil {
		err = lockSoon(reader) // who looks for old handlers may be trying it
	}

	if err == nil {
		err = writeAll(one.writer, one.note.text())
	}

	if err != nil {
		for _, fd := range []int{one.writer, reader} {
			if fd >= 0 {
				discard(fd)
			}
		}

		return nil, err
	}

	s.holds.put(id, one)

	return os.NewFile(uintptr(reader), s.locks.path+"/"+text), nil
}

// NoteProcess writes into the lock file which process has the attempt, so that
// after a crash of ours it can be found. It must have been started after LockJob.
// One that has ended and was waited for may be fs.ErrNotExist.
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
	note.PID = pid

	if note.Start, err = startSince(pid, one.since); err != nil {
		return lockFailed("note the process in", id, err)
	}

	if note.Boot, err = s.holds.bootID(); err != nil {
		return lockFailed("note the process in", id, err)
	}

	// It goes over the old text, which is shorter: at each moment the file begins
	// with a whole object.
	if _, err := unix.Seek(one.writer, 0, unix.SEEK_SET); err != nil {
		return lockFailed("write", id, err)
	}

	return lockFailed("write", id, writeAll(one.writer, note.text()))
}

// UnlockJob closes the lock and removes its file, if nobody else has it.
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

	defer discard(one.writer)

	if err == nil {
		err = lockSoon(one.writer)
	}

	if err == nil {
		err = s.locks.unlink(id.String())
	}

	return lockFailed("give back", id, err)
}

// ticks is how many clock ticks a second has in /proc: the same number on all machines
// for which there is Go.
const ticks = 100

// sinceBoot returns how long ago the machine was booted, the time asleep included.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return -1 // then /proc is asked
	}

	return time.Duration(t.Nano())
}

// startSince is startOf for a process that was started after since. Most often that was
// within the same clock tick: then /proc need not be asked.
func startSince(pid int, since time.Duration) (uint64, error) {
	const tick = time.Second / ticks

	if now := sinceBoot(); since >= 0 && now/tick == since/tick {
		return uint64(now / tick), nil
	}

	return startOf(pid)
}
