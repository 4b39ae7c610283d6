package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"importerd/internal/job"
)

// ID tells this journal from every other one: a new one in place of a damaged or
// a lost one has another.
func (j *Journal) ID() string { return j.id }

// opened is a file that is held open.
type opened struct {
	path string
	info fs.FileInfo
}

// hold remembers which file is at a path. SQLite has made the -wal by the first
// read, and keeps it until the end.
func (j *Journal) hold(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return diskKind(fmt.Errorf("look at what was opened: %w", err))
	}

	j.opened = append(j.opened, opened{path, info})

	return nil
}

// Check says whether the files held open are still those at their paths. If not,
// its error wraps job.ErrSpoolReplaced: what is recorded from then on is lost, and
// only opening it anew helps. It costs two looks at a directory.
func (j *Journal) Check() error {
	for _, held := range j.opened {
		info, err := os.Stat(held.path)

		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: the journal %s was removed", job.ErrSpoolReplaced, job.Show(held.path))
		case err != nil:
			return diskKind(fmt.Errorf("look for the journal: %w", err))
		case !os.SameFile(info, held.info):
			return fmt.Errorf("%w: at %s is another file than the journal that is open",
				job.ErrSpoolReplaced, job.Show(held.path))
		}
	}

	return nil
}
