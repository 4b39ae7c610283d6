package spool

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// Claim moves the file from the inbox to processing/ under its name and
// returns it as it is there. Of several who claim one file one succeeds.
//
// Errors, with which the file stays in the inbox: fs.ErrNotExist: f is not
// there any more, somebody was faster or has put another file in its place;
// job.ErrChanged: it was written since f was looked at;
// fs.ErrExist: processing/ has a file of that name; job.ErrNotRegular;
// job.ErrDisk.
//
// With job.ErrOther the name came to mean another file in the very moment of the
// rename. The File is that one; it is in processing/ and the caller's to decide about.
// If it is no regular file it was set aside instead, and the error is job.ErrNotRegular.
func (s *Spool) Claim(f job.File) (job.File, error) {
	d, err := s.place(job.InboxFolder, f.Name)
	if err != nil {
		return job.File{}, err
	}

	now, err := statFile(d, f.Name)

	switch {
	case err != nil:
	case !now.Same(f):
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, errReplaced)
	case !now.Quiet(f):
		err = fmt.Errorf("%w since it was flushed", job.ErrChanged)
	}

	if err != nil {
		return job.File{}, failed("claim", job.InboxFolder, f.Name, err)
	}

	got, err := s.take(d, f)

	return got, failed("claim", job.InboxFolder, f.Name, err)
}

// errReplaced tells people why a file that seems to be there is not.
var errReplaced = errors.New("another file is there under its name")

// take does the rename of Claim and looks what it took.
func (s *Spool) take(inbox *dir, f job.File) (job.File, error) {
	processing := s.folders[job.ProcessingFolder]

	if err := move(inbox, f.Name, processing, f.Name); err != nil {
		return job.File{}, err
	}

	got, err := statFile(processing, f.Name)

	switch {
	case errors.Is(err, job.ErrNotRegular):
		_, serr := s.SetAside(f.Name)

		return job.File{}, errors.Join(err, serr)
	case errors.Is(err, fs.ErrNotExist):
		return job.File{}, err
	case err != nil: // it is ours, but which one it is cannot be told
		return f, fmt.Errorf("%w: %w", job.ErrOther, err)
	case !got.Same(f):
		return got, job.ErrOther
	}

	return got, nil
}

// move is rename with an answer that can be believed: into a directory that
// was removed the kernel says ENOENT too, as if the file were gone.
func move(from *dir, name string, to *dir, newName string) error {
	err := rename(from, name, to, newName)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	there := from.use(func(at int) error {
		_, serr := statAt(at, name)

		return serr
	})
	if there == nil {
		return fmt.Errorf("%w: the folder %s was removed: restart, or put it back", job.ErrDisk, job.Show(to.path))
	}

	return err
}

// DropMarker removes a marker from the inbox. One that is not there is fine.
//
// Errors: job.ErrNotRegular: what has that name is none; job.ErrDisk.
func (s *Spool) DropMarker(name string) error {
	d, err := s.place(job.InboxFolder, name)
	if err != nil {
		return err
	}

	return failed("remove", job.InboxFolder, name, drop(d, name))
}

// drop removes a regular file that may be missing.
func drop(d *dir, name string) error {
	_, err := statFile(d, name)
	if err == nil {
		err = d.unlink(name)
	}

	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENAMETOOLONG) {
		return nil
	}

	return err
}
