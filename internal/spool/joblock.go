package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// LockJob takes the lock of an attempt on the job, whose file was dropped as
// name. The attempt inherits the descriptor; the lock is free when nobody has
// it any more.
//
// Errors: job.ErrHeld: an earlier attempt lives; job.ErrDisk.
func (s *Spool) LockJob(id job.ID, name string) (*os.File, error) {
	return s.lockFor(id, newNote(id, name))
}

// LockWorker takes the lock of a worker, a process that has many jobs: id names it
// and no job. Otherwise it is as LockJob, and so is all that is done with the lock.
func (s *Spool) LockWorker(id job.ID) (*os.File, error) {
	return s.lockFor(id, lockNote{Job: id.String(), Worker: true})
}

// lockFor is LockJob with what the lock file is to say.
func (s *Spool) lockFor(id job.ID, note lockNote) (*os.File, error) {
	lock, err := s.openLock(id, note)
	if errors.Is(err, fs.ErrExist) { // an earlier attempt has left it, and may live
		if err = s.dropOld(id); err == nil {
			lock, err = s.openLock(id, note)
		}
	}

	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w: %w", job.ErrHeld, err)
	}

	return lock, lockFailed("take", id, err)
}

// dropOld removes the lock file of an earlier attempt, of which nothing must live.
func (s *Spool) dropOld(id job.ID) error {
	old, err := s.readLock(id)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case old.alive(): // it may have closed its descriptor
		return fmt.Errorf("%w: process %d", job.ErrHeld, old.PID)
	}

	return s.dropLock(id, lockSoon)
}

// HandlerGone says whether nothing of an attempt on the job lives any more; its
// lock file is then removed. It does not wait, and so may say no a moment too
// long while a process is being started.
func (s *Spool) HandlerGone(id job.ID) bool {
	note, err := s.readLock(id)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}

	return err == nil && !note.alive() && s.dropLock(id, lockNow) == nil
}

// OldHandlers returns the attempts of an earlier daemon that still live: the
// lock is held, or the process is there although it has closed the lock. Who
// holds locks is looked for among all processes, if any is held. The locks of
// all others are removed. It is for recovery, before any LockJob.
//
// Errors: job.ErrDisk.
func (s *Spool) OldHandlers() ([]job.OldHandler, error) {
	var old []job.OldHandler

	for name, err := range names(s.locks) {
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", job.Show(s.locks.path), withKind(err))
		}

		id, err := job.ParseID(name)
		if err != nil || id.String() != name {
			continue // none of ours, and in nobody's way
		}

		note, err := s.readLock(id)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, lockFailed("read", id, err)
		}

		alive := note.alive()
		if !alive {
			err = s.dropLock(id, lockSoon)
		}

		switch {
		case alive || errors.Is(err, job.ErrHeld):
			old = append(old, note.handler(id, alive))
		case err != nil:
			return nil, lockFailed("remove", id, err)
		default:
			s.unbegun.note(id, note)
		}
	}

	s.findHolders(old)

	return old, nil
}

// dropLock removes a lock file that nobody has.
func (s *Spool) dropLock(id job.ID, lock func(fd int) error) error {
	file, err := s.seize(id, lock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	if err != nil {
		return err
	}

	err = s.locks.unlink(id.String())
	if errors.Is(err, fs.ErrNotExist) { // it was just given to another job
		err = nil
	}

	return errors.Join(err, file.Close())
}

// seize opens the lock file of a job and locks it with lock. A file that was
// removed between the two is worth nothing: then it begins again.
func (s *Spool) seize(id job.ID, lock func(fd int) error) (*os.File, error) {
	for {
		fd := -1
		current := false

		err := s.locks.use(func(at int) (err error) {
			if fd, err = openat(at, id.String(), unix.O_RDONLY|unix.O_NOFOLLOW, 0); err != nil {
				return err
			}

			if err := lock(fd); err != nil {
				return discardFor(fd, err)
			}

			if current, err = stillAt(at, id.String(), fd); err != nil || !current {
				return discardFor(fd, err)
			}

			return nil
		})
		if err != nil {
			return nil, err
		}

		if current {
			return os.NewFile(uintptr(fd), s.locks.path+"/"+id.String()), nil
		}
	}
}

// stillAt says whether name below at means the file of fd.
func stillAt(at int, name string, fd int) (bool, error) {
	held, err := statAt(fd, "")
	if err != nil {
		return false, err
	}

	there, err := statAt(at, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}

	return err == nil && there.Ino == held.Ino, err
}

func lockFailed(verb string, id job.ID, err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s the lock of job %s: %w", verb, id, withKind(err))
}
