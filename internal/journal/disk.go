package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// syncDir flushes a directory.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return diskKind(fmt.Errorf("open directory: %w", err))
	}
	defer d.Close()

	if err := d.Sync(); err != nil {
		return fmt.Errorf("%w: flush directory: %w", job.ErrUntrusted, err)
	}

	return nil
}

// diskErrors are the answers of a disk that may be another one later.
var diskErrors = []error{ //nolint:gochecknoglobals // a table that nobody writes to
	unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO, unix.EPERM, unix.EACCES, unix.ENOMEM, unix.EMFILE, unix.ENFILE,
	unix.EUCLEAN, unix.ESTALE,
}

// diskKind adds job.ErrDisk to what the kernel answered where it is of that
// kind.
func diskKind(err error) error {
	for _, disk := range diskErrors {
		if errors.Is(err, disk) {
			return fmt.Errorf("%w: %w", job.ErrDisk, err)
		}
	}

	return err
}

// exists says whether there is something at path.
func exists(path string) bool {
	_, err := os.Lstat(path)

	return !errors.Is(err, fs.ErrNotExist)
}
