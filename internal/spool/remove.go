package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// RemoveFile removes the file f from done/ or failed/ for good, if nothing at
// all has happened to it since f was seen. Between that look and the removal is
// a moment in which a person could put another file in its place; the kernel
// offers no way without one.
//
// Errors: fs.ErrNotExist; job.ErrOther: the name means another file, or the
// file has changed; job.ErrNotRegular; job.ErrDisk.
func (s *Spool) RemoveFile(folder job.Folder, f job.File) error {
	if folder != job.DoneFolder && folder != job.FailedFolder {
		return noSuchFolder(folder)
	}

	d, err := s.place(folder, f.Name)
	if err != nil {
		return err
	}

	now, err := statFile(d, f.Name)
	if err == nil && !now.Quiet(f) {
		err = job.ErrOther
	}

	if err == nil {
		err = again(func() error { return d.unlink(f.Name) })
	}

	return failed("remove", folder, f.Name, err)
}

// RemoveNote removes the note on the file name in failed/.
//
// Errors: fs.ErrNotExist; job.ErrNotRegular; job.ErrDisk.
func (s *Spool) RemoveNote(name string) error {
	return s.Remove(job.ErrorsFolder, s.NoteName(name))
}

// RemoveResults removes the published results f of the job, if that is still the
// same directory, with all that is in them. Links in them are removed, not
// followed. The directory vanishes from results/ at once, by a rename to
// .importerd/work/, where it then shrinks; what an earlier removal has left
// there goes too. With a zero f only that is done. ctx ends it between two
// entries.
//
// Errors: fs.ErrNotExist; job.ErrOther: the name means another thing, which
// stays; job.ErrDisk; that of ctx.
func (s *Spool) RemoveResults(ctx context.Context, id job.ID, f job.File) error {
	err := removeTree(s.work, id.String(), ctx.Err)

	if err == nil && f.Name != "" {
		if err = s.withdraw(id, f); err == nil {
			err = removeTree(s.work, id.String(), ctx.Err)
		}
	}

	return resultsFailed("remove", id, err)
}

// withdraw moves published results back to work/. What it finds there is no
// directory, or another one, is put back.
func (s *Spool) withdraw(id job.ID, f job.File) error {
	results, err := s.place(job.ResultsFolder, f.Name)
	if err != nil {
		return err
	}

	if err := isDirectory(results, f.Name, f); err != nil {
		return err
	}

	err = move(results, f.Name, s.work, id.String())
	if errors.Is(err, fs.ErrPermission) { // one that its owner may not write cannot be moved
		_ = results.use(func(at int) error { return loosen(at, f.Name) }) // the second try tells
		err = move(results, f.Name, s.work, id.String())
	}

	if err != nil {
		return fmt.Errorf("take out of results/: %w", err)
	}

	if err := isDirectory(s.work, id.String(), f); err != nil {
		return errors.Join(err, move(s.work, id.String(), results, f.Name))
	}

	return nil
}

// isDirectory says by job.ErrOther that name is not the directory f.
func isDirectory(d *dir, name string, f job.File) error {
	return d.use(func(at int) error {
		stat, err := statAt(at, name)
		if err != nil {
			return err
		}

		id := identityOf(&stat)
		if stat.Mode&unix.S_IFMT != unix.S_IFDIR || id.dev != f.Dev || id.ino != f.Ino {
			return job.ErrOther
		}

		return nil
	})
}
