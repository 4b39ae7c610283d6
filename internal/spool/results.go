package spool

import (
	"fmt"
	"io/fs"

	"importerd/internal/job"
)

// MakeResults makes the empty directory for the results of the job and returns
// its absolute path. What an earlier attempt left there is removed.
//
// Errors: job.ErrDisk.
func (s *Spool) MakeResults(id job.ID) (string, error) {
	if err := removeTree(s.work, id.String(), never); err != nil {
		return "", resultsFailed("make", id, err)
	}

	if err := s.scratch.Mkdir(id.String(), sharedMode); err != nil {
		return "", resultsFailed("make", id, err)
	}

	return s.work.path + "/" + id.String(), nil
}

// DropResults removes the results of the job if they were not published; those
// that were are RemoveResults' business.
//
// Errors: job.ErrDisk.
func (s *Spool) DropResults(id job.ID) error {
	return resultsFailed("drop", id, removeTree(s.work, id.String(), never))
}

// resultsDir looks at the directory for the results of the job.
func (s *Spool) resultsDir(id job.ID) (fs.FileInfo, error) {
	info, err := s.scratch.Lstat(id.String())
	if err != nil {
		return nil, fmt.Errorf("look: %w", err)
	}

	if !info.IsDir() {
		return nil, fmt.Errorf("%w: and no directory", job.ErrNotRegular)
	}

	return info, nil
}

// PublishResults moves the results of the job, which FlushResults has flushed,
// to results/ under name in one rename, or under the name with the id if that is
// taken. It returns the name. Links and other odd things among them stay as they
// are, and an empty directory is moved too. results/ itself is flushed by the
// caller, with Sync.
//
// Errors: fs.ErrNotExist: there are none, or they were published before;
// job.ErrNotRegular: the handler has put something in the place of the directory;
// fs.ErrExist: as for Move; job.ErrDisk; job.ErrUntrusted: as for Sync, and they
// were moved all the same.
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
		if err := s.scratch.Chmod(dirName, info.Mode().Perm()|privateMode); err != nil {
			return "", fmt.Errorf("chmod: %w", err)
		}
	}

	got, err := s.moveTo(s.work, dirName, to, []string{name, s.withID(name, id)})
	if err != nil {
		return "", err
	}

	return got, s.flush(s.work) // the folder left comes first, see Sync
}

func resultsFailed(verb string, id job.ID, err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s the results of job %s: %w", verb, id, withKind(err))
}
