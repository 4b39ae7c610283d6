package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// Flush brings the content of a file to the disk, which its producer need not
// have done: a file whose content a power cut can undo must not be claimed. It
// may take minutes. In the inbox the file is probed before, and must be as f says.
//
// Errors: fs.ErrNotExist; job.ErrOther: the name means another file than f;
// job.ErrNotRegular and job.ErrUnreadable as for Probe; job.ErrDisk; in the inbox
// job.ErrOpen and job.ErrChanged besides. After a failed flush a second one would
// succeed and mean nothing.
func (s *Spool) Flush(folder job.Folder, f job.File) error {
	return failed("flush", folder, f.Name, s.withWhole(folder, f, s.flushContent))
}

// withWhole calls do with f open for reading, if it is still the file that it was and,
// in the inbox, as it was.
func (s *Spool) withWhole(folder job.Folder, f job.File, do func(fd int) error) error {
	d, err := s.place(folder, f.Name)
	if err != nil {
		return err
	}

	return withOpen(d, f, func(fd int) error {
		now, err := fileOf(fd, "", f.Name)
		if err != nil {
			return err
		}

		if !now.Same(f) {
			return job.ErrOther
		}

		if folder == job.InboxFolder {
			if err := s.unchanged(fd, now, f); err != nil {
				return err
			}
		}

		return do(fd)
	})
}

// unchanged says why a file of the inbox, open as fd, is not to be taken as it is now:
// it is not as f says, or somebody writes it.
func (s *Spool) unchanged(fd int, now, f job.File) error {
	if !now.Quiet(f) {
		return fmt.Errorf("%w since it was found ready", job.ErrChanged)
	}

	if !s.leases {
		return nil
	}

	if err := leaseProblem(lease(fd)); !errors.Is(err, job.ErrNoLease) {
		return err
	}

	return nil // quiet time has decided
}

// flushContent flushes one regular file.
func (s *Spool) flushContent(fd int) error {
	return contentLost(again(func() error { return s.fsync(fd) }))
}

// contentLost gives what a flush of a file said its kind; nil stays nil.
func contentLost(err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("the file's content could not be flushed: %w: %w", job.ErrDisk, err)
}

// FlushResults brings all that the handler has put among the results of the job
// to the disk. It may take minutes.
//
// Errors: fs.ErrNotExist: the handler has removed the directory;
// job.ErrNotRegular: it has put something else in its place; job.ErrDisk: a
// file's content may be lost, so that the results must be made anew;
// job.ErrUntrusted: as for Sync, a directory could not be flushed.
func (s *Spool) FlushResults(id job.ID) error {
	_, err := s.resultsDir(id)
	if err == nil {
		err = s.flushTree(id.String())
	}

	return resultsFailed("flush", id, err)
}

// flushTree flushes the regular files below a directory in work/ and, after what
// is in them, the directories. Where one cannot be opened, by its mode or for
// want of descriptors, the whole file system is flushed instead.
func (s *Spool) flushTree(path string) error {
	err := s.flushBelow(path)

	if _, closed := errors.AsType[*openError](err); !closed {
		return err
	}

	err = s.work.use(func(fd int) error { return again(func() error { return unix.Syncfs(fd) }) })
	if err != nil {
		return fmt.Errorf("the file system could not be flushed: %w: %w", job.ErrDisk, err)
	}

	return nil
}

// openError says that something could not be opened to be flushed.
type openError struct{ error }

func (s *Spool) flushBelow(path string) error {
	const piece = 256 // entries

	d, err := s.scratch.Open(path)
	if err != nil {
		return &openError{err}
	}
	defer d.Close() // nothing was written through it

	for {
		entries, err := d.ReadDir(piece)
		for _, e := range entries {
			if err := s.flushEntry(path+"/"+e.Name(), e.Type()); err != nil {
				return err
			}
		}

		if errors.Is(err, io.EOF) {
			return s.trust(path, again(func() error { return s.fsync(int(d.Fd())) }))
		}

		if err != nil {
			return &openError{err}
		}
	}
}

func (s *Spool) flushEntry(path string, mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		return s.flushBelow(path)
	case !mode.IsRegular():
		return nil // it goes with its directory
	}

	f, err := s.scratch.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return &openError{err}
	}
	defer f.Close() // nothing was written through it

	return s.flushContent(int(f.Fd()))
}
