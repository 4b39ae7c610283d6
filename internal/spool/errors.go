package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// UnfitError says that the directory cannot be a spool as it is, and that only
// a person can change that.
type UnfitError struct {
	Path   string // absolute
	Reason string // what is wrong with it: "is a symbolic link"
	Hint   string // what to do about it
}

// Error gives path, reason and hint in one line.
func (e *UnfitError) Error() string { return job.Show(e.Path) + " " + e.Reason + ": " + e.Hint }

// LockedError says that another process holds the spool.
type LockedError struct {
	Dir string // absolute
	PID int    // of the process; 0: not known
}

// Error names the holder as far as it is known.
func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = "process " + strconv.Itoa(e.PID)
	}

	return who + " has the spool " + job.Show(e.Dir)
}

// diskErrors are the answers of a disk that may be another one later, when
// somebody has made room, repaired or allowed something.
var diskErrors = []error{ //nolint:gochecknoglobals // a table that nobody writes to
	unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO, unix.EPERM, unix.EACCES, unix.ENOMEM, unix.EBUSY,
	unix.EMFILE, unix.ENFILE, unix.EMLINK, unix.EUCLEAN, unix.EBADMSG, unix.ESTALE, unix.ENODEV,
	unix.ENXIO, unix.EREMOTEIO, unix.ETIMEDOUT, unix.ENOTCONN, unix.ESHUTDOWN, unix.EAGAIN,
}

// withKind adds job.ErrDisk to what the kernel answered where it is of that
// kind. Errors that have a kind already keep it.
func withKind(err error) error {
	if errors.Is(err, job.ErrDisk) {
		return err
	}

	for _, disk := range diskErrors {
		if errors.Is(err, disk) {
			return fmt.Errorf("%w: %w", job.ErrDisk, err)
		}
	}

	return err
}

// failed wraps what went wrong with one file; nil stays nil.
func failed(verb string, folder job.Folder, name string, err error) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s %s/%s: %w", verb, folder, job.Show(name), withKind(err))
}

// noSuchFolder is a bug of the caller.
func noSuchFolder(folder job.Folder) error {
	return fmt.Errorf("bug: no folder %q for this: %w", folder, fs.ErrInvalid)
}
