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
	fd, leased, err := s.openWhole(folder, f)
	if err != nil {
		return failed("flush", folder, f.Name, err)
	}
	defer discard(fd)

	if leased {
		unlease(fd)
	}

	return failed("flush", folder, f.Name, s.flushContent(fd))
}

// openWhole opens f for reading, if it is still the file that it was. In the inbox it
// must be as it was, too, and whoever begins to write it from now on has to wait for the
// lease that is on it, unless the kernel does not tell who writes.
func (s *Spool) openWhole(folder job.Folder, f job.File) (fd int, leased bool, err error) {
	d, err := s.place(folder, f.Name)
	if err != nil {
		return -1, false, err
	}

	if fd, err = d.openFile(f); err != nil {
		return -1, false, err
	}

	now, err := fileOf(fd, "", f.Name)

	switch {
	case err != nil:
	case !now.Same(f):
		err = job.ErrOther
	case folder == job.InboxFolder:
		leased, err = s.unchanged(fd, now, f)
	}

	if err != nil {
		return -1, false, discardFor(fd, err)
	}

	return fd, leased, nil
}

// unchanged says why a file of the inbox, open as fd, is not to be taken as it is now:
// it is not as f says, or somebody writes it. If it is to be taken a lease is on it,
// unless there is none to be had: then quiet time has decided.
func (s *Spool) unchanged(fd int, now, f job.File) (leased bool, err error) {
	if !now.Quiet(f) {
		return false, fmt.Errorf("%w since it was found ready", job.ErrChanged)
	}

	if !s.leases {
		return false, nil
	}

	err = leaseProblem(setLease(fd, unix.F_RDLCK))
	if errors.Is(err, job.ErrNoLease) {
		return false, nil
	}

	return err == nil, err
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
