package spool

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// trialPrefix begins the names of trial files; Names passes them over.
const trialPrefix = ".importerd-trial-"

// tryAll moves a file of ours once round all folders: only a rename tells
// whether a rename works. A bind mount of the same file system, as each
// ReadWritePaths= of a unit is, has the same device number and still refuses.
func (s *Spool) tryAll() error {
	inbox, processing := s.inbox.Load(), s.folders[job.ProcessingFolder]

	return s.try([]*dir{
		s.work, processing, inbox, processing, s.folders[job.DeferredFolder], processing,
		s.folders[job.DoneFolder], processing, s.folders[job.FailedFolder],
		s.folders[job.ErrorsFolder], s.folders[job.ResultsFolder], s.work,
	})
}

// tryInbox does the same for an inbox that was opened anew.
func (s *Spool) tryInbox(inbox *dir) error {
	return s.try([]*dir{s.work, inbox, s.folders[job.ProcessingFolder], s.work})
}

// try makes an empty file in the first directory and moves it to each of the
// others in turn, then removes it wherever it is.
func (s *Spool) try(route []*dir) error {
	name := trialPrefix + job.NewID().String()
	at := route[0]

	for _, d := range []*dir{s.trials, at} {
		if err := create(d, name); err != nil {
			return fmt.Errorf("try to make a file in %s: %w", job.Show(d.path), err)
		}

		defer func() { _ = d.unlink(name) }() // of what was moved on there is nothing to remove
	}

	for _, next := range route[1:] {
		if err := rename(at, name, next, name); err != nil {
			_ = at.unlink(name) // a trial file that stays is removed at the next start

			return s.cannotMove(at, next, err)
		}

		at = next
	}

	return nil
}

// cannotMove says why a file cannot be moved between two folders.
func (s *Spool) cannotMove(from, to *dir, err error) error {
	between := fmt.Sprintf("a file cannot be moved from %s to %s", job.Show(from.path), job.Show(to.path))
	unfit := &UnfitError{Path: s.path, Reason: "is unfit: " + between}

	switch {
	case errors.Is(err, unix.EXDEV) && from.id.dev == to.id.dev:
		unfit.Reason += " (two mounts of one file system: " + from.id.String() + ", " + to.id.String() + ")"
		unfit.Hint = "mount one directory over all folders; under systemd one ReadWritePaths= entry over all of them"
	case errors.Is(err, unix.EXDEV):
		unfit.Reason += " (two file systems or subvolumes: " + from.id.String() + ", " + to.id.String() + ")"
		unfit.Hint = "put all folders on one file system"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		unfit.Reason = "is on " + s.kind.name + ", which cannot rename without replacing"
		unfit.Hint = "use a local file system such as ext4, xfs or btrfs"
	case errors.Is(err, unix.EACCES):
		return noAccess(to.path)
	default:
		return fmt.Errorf("%s: %w", between, err)
	}

	return unfit
}

// clearTrials removes what a killed trial has left.
func (s *Spool) clearTrials() error {
	for name, err := range names(s.trials) {
		if err != nil {
			return fmt.Errorf("read %s: %w", job.Show(s.trials.path), err)
		}

		if strings.HasPrefix(name, trialPrefix) {
			s.clearTrial(name)
		}
	}

	return nil
}

// clearTrial removes one trial file from wherever it is. A file of that name
// that has content is none of ours.
func (s *Spool) clearTrial(name string) {
	places := []*dir{s.inbox.Load(), s.work}
	for _, d := range s.folders {
		places = append(places, d)
	}

	for _, d := range places {
		if f, err := statFile(d, name); err == nil && f.Size == 0 {
			_ = d.unlink(name) // the next start tries again
		}
	}

	_ = s.trials.unlink(name)
}

// create makes an empty file that must not be there yet.
func create(d *dir, name string) error {
	return d.use(func(at int) error {
		fd, err := openat(at, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return err
		}

		return unix.Close(fd)
	})
}
