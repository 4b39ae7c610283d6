package watch

import (
	"os"

	"importerd/internal/job"
)

// Inbox is what the watch needs of a spool's folders. Its methods are called
// by one goroutine.
type Inbox interface {
	// OpenInbox returns a fresh descriptor of the inbox, at its first name.
	OpenInbox() (*os.File, error)

	// Probe says whether the file of that name is whole, as far as the kernel
	// knows. The file is valid whenever the error is nil, job.ErrNoLease or
	// job.ErrOpen. Other errors: fs.ErrNotExist, job.ErrNotRegular,
	// job.ErrUnreadable, job.ErrDisk.
	Probe(folder job.Folder, name string) (job.File, error)

	// Stat is the cheap part of Probe: fs.ErrNotExist, job.ErrNotRegular.
	Stat(folder job.Folder, name string) (job.File, error)

	// CheckInbox says whether the inbox held open is still the one at its path:
	// nil, job.ErrInboxReplaced or job.ErrSpoolReplaced.
	CheckInbox() error

	// ReopenInbox takes hold of what is at the inbox's path now.
	ReopenInbox() error
}
