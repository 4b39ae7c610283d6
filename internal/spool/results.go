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

// LogPath returns the absolute path of the job's log.
func (s *Spool) LogPath(id job.ID) string {
	return s.Path(job.OwnFolder, "logs") + "/" + id.String() + ".log"
}

// MakeResults makes the empty directory for the results of the job and returns
// its absolute path. What an earlier attempt left there is removed.
//
// Errors: job.ErrDisk.
func (s *Spool) MakeResults(id job.ID) (string, error) {
	if err := s.clear(id.String()); err != nil {
		return "", resultsFailed("make", id, err)
	}

	if err := s.scratch.Mkdir(id.String(), sharedMode); err != nil {
		return "", resultsFailed("make", id, err)
	}

	return s.work.path + "/" + id.String(), nil
}

// DropResults removes the results of the job if they were not published.
//
// Errors: job.ErrDisk.
func (s *Spool) DropResults(id job.ID) error {
	return resultsFailed("drop", id, s.clear(id.String()))
}

// FlushResults brings all that the handler has put among the results of the
// job to the disk. That may take minutes.
//
// Errors: fs.ErrNotExist: the handler has removed the directory;
// job.ErrNotRegular: it has put something else in its place; job.ErrUntrusted:
// as for Sync, the flush failed; job.ErrDisk.
func (s *Spool) FlushResults(id job.ID) error {
	_, err := s.resultsDir(id)
	if err == nil {
		err = s.flushTree(id.String())
	}

	return resultsFailed("flush", id, err)
}

// resultsDir looks at the directory for the results of the job.
func (s *Spool) resultsDir(id job.ID) (fs.FileInfo, error) {
	info, err := s.scratch.Lstat(id.String())
	if err != nil {
		return nil, err
	}

	if !info.IsDir() {
		return nil, fmt.Errorf("%w: and no directory", job.ErrNotRegular)
	}

	if lost := s.untrusted.Load(); lost != nil {
		return nil, *lost
	}

	return info, nil
}

// PublishResults moves the results of the job, which FlushResults has flushed, to results/
// under name in one rename, or under the name with the id if that is taken.
// It returns the name. Links and other odd things among them stay as they are,
// and so does an empty directory. results/ itself is flushed by the caller, with Sync.
//
// Errors: fs.ErrNotExist: there are none, or they were published before;
// job.ErrNotRegular: the handler has put something in the place of the directory;
// fs.ErrExist: as for Move; job.ErrDisk; job.ErrUntrusted: as for Sync, the flush failed.
func (s *Spool) PublishResults(id job.ID, name string) (string, error) {
	to, err := s.place(job.ResultsFolder, name)
	if err != nil {
		return "", err
	}

	got, err := s.publish(id, name, to)

	return got, resultsFailed("publish", id, err)
}

func (s *Spool) publish(id job.ID, name string, to *dir) (string, error) {
	dirName := id.String()

	info, err := s.resultsDir(id)
	if err != nil {
		return "", err
	}

	if info.Mode().Perm()&0o200 == 0 { // a directory that its owner may not write cannot be moved
		if err := s.scratch.Chmod(dirName, info.Mode().Perm()|0o700); err != nil {
			return "", err
		}
	}

	got, err := s.moveTo(s.work, dirName, to, []string{name, s.withID(name, id)})
	if err != nil {
		return "", err
	}

	return got, s.flush(s.work) // the folder left comes first, see Sync
}

// flushTree flushes all regular files below a directory, then the directories
// from within. Where one cannot be opened, by its mode or for want of descriptors,
// the whole file system is flushed instead.
func (s *Spool) flushTree(path string) error {
	err := s.flushBelow(path)

	var cannotOpen *openError
	if !errors.As(err, &cannotOpen) {
		return err
	}

	return s.trust(s.work.path, s.work.use(func(fd int) error {
		return again(func() error { return unix.Syncfs(fd) })
	}))
}

// openError says that something could not be opened for flushing: nothing is
// lost by that yet.
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
	if mode.IsDir() {
		return s.flushBelow(path)
	}

	if !mode.IsRegular() {
		return nil
	}

	f, err := s.scratch.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return &openError{err}
	}
	defer f.Close() // nothing was written through it

	return s.trust(path, again(func() error { return s.fsync(int(f.Fd())) }))
}

// clear removes a tree in work/. A handler may have made directories that even
// their owner cannot empty; they are opened up then.
func (s *Spool) clear(path string) error {
	err := s.scratch.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}

	s.loosen(path)

	return s.scratch.RemoveAll(path)
}

// loosen lets us into all directories of a tree, as far as they are ours.
func (s *Spool) loosen(path string) {
	_ = s.scratch.Chmod(path, privateMode) // if it does not help the removal says so

	d, err := s.scratch.Open(path)
	if err != nil {
		return
	}
	defer d.Close() // nothing was written through it

	entries, _ := d.ReadDir(-1) // likewise

	for _, e := range entries {
		if e.IsDir() {
			s.loosen(path + "/" + e.Name())
		}
	}
}

func resultsFailed(verb string, id job.ID, err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s the results of job %s: %w", verb, id, withKind(err))
}
