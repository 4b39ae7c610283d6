package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

const logSuffix = ".log"

// Log is the log of one job.
type Log struct {
	Job   job.ID
	Space int64     // bytes of the disk that it takes
	Mtime time.Time // when the last was written to it
}

// LogPath returns the absolute path of the job's log.
func (s *Spool) LogPath(id job.ID) string {
	return s.Path(job.OwnFolder, "logs") + "/" + id.String() + logSuffix
}

// Logs yields all logs, in the directory's own order and in small pieces. What
// is there besides is passed over. What comes or goes meanwhile may be there or
// not. An error is the last thing that it yields; job.ErrDisk among others.
func (s *Spool) Logs() iter.Seq2[Log, error] {
	return func(yield func(Log, error) bool) {
		for name, err := range names(s.logs) {
			if err != nil {
				yield(Log{}, fmt.Errorf("read %s: %w", job.Show(s.logs.path), withKind(err)))

				return
			}

			log, err := s.logNamed(name)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, job.ErrNotRegular) {
				continue
			}

			if !yield(log, err) || err != nil {
				return
			}
		}
	}
}

// logNamed is Log by the name of the file; one that is no log's is fs.ErrNotExist.
func (s *Spool) logNamed(name string) (Log, error) {
	text, named := strings.CutSuffix(name, logSuffix)

	id, err := job.ParseID(text)
	if !named || err != nil || id.String() != text {
		return Log{}, fs.ErrNotExist
	}

	return s.Log(id)
}

// Log looks at the log of a job.
//
// Errors: fs.ErrNotExist; job.ErrNotRegular; job.ErrDisk.
func (s *Spool) Log(id job.ID) (Log, error) {
	log := Log{Job: id}

	err := s.logs.use(func(at int) error {
		stat, err := statAt(at, id.String()+logSuffix)
		if err != nil {
			return err
		}

		if stat.Mode&unix.S_IFMT != unix.S_IFREG {
			return job.ErrNotRegular
		}

		log.Space, log.Mtime = int64(stat.Blocks)*blockSize, timeOf(stat.Mtime)

		return nil
	})

	return log, logFailed("look at", id, err)
}

// RemoveLog removes the log of a job.
//
// Errors: fs.ErrNotExist; job.ErrNotRegular; job.ErrDisk.
func (s *Spool) RemoveLog(id job.ID) error {
	if _, err := s.Log(id); err != nil {
		return err
	}

	err := again(func() error { return s.logs.unlink(id.String() + logSuffix) })

	return logFailed("remove", id, err)
}

func logFailed(verb string, id job.ID, err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s the log of job %s: %w", verb, id, withKind(err))
}
