package spool

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// Join makes one name of the two that a file may have after a power cut in the
// midst of m, which some file systems undo by half: if the name in m.From and one of
// those that m may have given in m.To mean the same inode, the first is removed,
// and the second returned. The content is untouched. It is not flushed: Sync comes
// later, as for Move.
//
// Whoever calls must know of a power cut, and of m that it was begun and not
// confirmed: otherwise two names of one inode are two files.
//
// Errors: fs.ErrNotExist: there are not two names of one file, and nothing was
// changed; job.ErrDisk.
func (s *Spool) Join(m job.Move) (string, error) {
	name, err := s.join(m)

	return name, failed("join", m.From, m.File, err)
}

func (s *Spool) join(m job.Move) (string, error) {
	from, err := s.place(m.From, m.File)
	if err != nil {
		return "", err
	}

	to, err := s.place(m.To, m.Name)
	if err != nil {
		return "", err
	}

	file, err := statFile(from, m.File)
	if errors.Is(err, job.ErrNotRegular) {
		return "", errNoDouble
	} else if err != nil {
		return "", err
	}

	for _, name := range []string{s.withID(m.Name, m.ID), m.Name} {
		there, err := statFile(to, name)

		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, job.ErrNotRegular):
		case err != nil:
			return "", err
		case there.Same(file):
			return name, s.dropDouble(from, file)
		}
	}

	return "", errNoDouble
}

// errNoDouble says that no second name of a file was found.
var errNoDouble = fmt.Errorf("it has no second name where it was to go: %w", fs.ErrNotExist)

// dropDouble removes the name of a file that has another one. In a folder that is
// not ours alone another file may take the name at any time, and a removal would
// ask for none: so it is taken aside first, and looked at there.
func (s *Spool) dropDouble(from *dir, file job.File) error {
	aside, err := s.moveTo(from, file.Name, s.aside, []string{file.Name, s.withID(file.Name, job.NewID())})
	if err != nil {
		return err
	}

	double := false

	err = s.aside.use(func(at int) error {
		stat, err := statAt(at, aside)
		double = stat.Ino == file.Ino && stat.Mode&unix.S_IFMT == unix.S_IFREG && stat.Nlink > 1

		return err
	})

	switch {
	case err == nil && double:
		return s.aside.unlink(aside)
	case err == nil:
		err = errNoDouble
	}

	if back := move(s.aside, aside, from, file.Name); back != nil {
		return fmt.Errorf("it lies in %s: %w: %w", job.Show(s.aside.path), err, back)
	}

	return err
}
