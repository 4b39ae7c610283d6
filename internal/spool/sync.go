package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"importerd/internal/job"
)

// Sync flushes the folders themselves, in the order given: what was moved
// before is then where it is for good. After a move the folder that a file has left
// comes first, then the one it has come to.
//
// A failure is job.ErrUntrusted, and so is every later Sync of this Spool: the
// kernel tells of lost writes only once.
func (s *Spool) Sync(folders ...job.Folder) error {
	for _, folder := range folders {
		d, err := s.folder(folder)
		if err != nil {
			return err
		}

		if err := s.flush(d); err != nil {
			return fmt.Errorf("sync spool %s: %w", job.Show(s.name), err)
		}
	}

	return nil
}

// flush flushes one directory.
func (s *Spool) flush(d *dir) error {
	d.flushing.Lock()
	defer d.flushing.Unlock()

	if lost := s.untrusted.Load(); lost != nil {
		return *lost
	}

	return s.trust(d.path, d.use(func(fd int) error {
		return again(func() error { return s.fsync(fd) })
	}))
}

// trust remembers the first flush that failed, for good.
func (s *Spool) trust(path string, err error) error {
	if err == nil || errors.Is(err, fs.ErrClosed) {
		return err
	}

	lost := fmt.Errorf("flush %s: %w: %w", job.Show(path), job.ErrUntrusted, err)
	s.untrusted.CompareAndSwap(nil, &lost)

	return lost
}

// Names yields the names in folder, of files of any type, in the directory's
// own order and in small pieces, so that memory does not grow with the folder.
// What comes or goes meanwhile may be there or not. An error is the last thing
// that it yields; job.ErrDisk among others.
func (s *Spool) Names(folder job.Folder) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		d, err := s.folder(folder)
		if err != nil {
			yield("", err)

			return
		}

		for name, err := range names(d) {
			if err != nil {
				yield("", fmt.Errorf("read %s: %w", job.Show(d.path), withKind(err)))

				return
			}

			if !strings.HasPrefix(name, trialPrefix) && !yield(name, nil) {
				return
			}
		}
	}
}

// names yields all names in d, and at last the error if there is one.
func names(d *dir) iter.Seq2[string, error] {
	const piece = 1024 // names

	return func(yield func(string, error) bool) {
		file, err := d.reopen()
		if err != nil {
			yield("", err)

			return
		}
		defer file.Close() // nothing was written through it

		for err == nil {
			var some []string

			some, err = file.Readdirnames(piece)
			for _, name := range some {
				if !yield(name, nil) {
					return
				}
			}
		}

		if !errors.Is(err, io.EOF) {
			yield("", err)
		}
	}
}
