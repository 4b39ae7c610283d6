package job

import "errors"

// Kinds of errors on which other packages branch. What is wrapped round them
// tells people the particulars. A file that is not there is fs.ErrNotExist, a
// name that is taken fs.ErrExist.
var (
	// ErrOpen says that somebody has the file open for writing.
	ErrOpen = errors.New("still open for writing")

	// ErrNoLease says that the kernel will not tell whether somebody writes the
	// file; quiet time must decide. The file that comes with it is valid.
	ErrNoLease = errors.New("the kernel grants no lease")

	// ErrNotRegular says that the name is a directory, a link, a pipe, a socket
	// or a device.
	ErrNotRegular = errors.New("not a regular file")

	// ErrUnreadable says that the file may not be read by us.
	ErrUnreadable = errors.New("unreadable")

	// ErrOther says that the name now means another file than the one looked at.
	ErrOther = errors.New("another file has taken the name")

	// ErrChanged says that a file is not any more as it was when it was looked at.
	ErrChanged = errors.New("changed")

	// ErrInboxReplaced says that the inbox held open is not the one at its path
	// any more (or that nothing is there).
	ErrInboxReplaced = errors.New("the inbox was replaced")

	// ErrSpoolReplaced says that the whole spool is not the one at its path any
	// more (or that nothing is there): a file system was mounted or unmounted.
	ErrSpoolReplaced = errors.New("the spool was replaced")

	// ErrDisk says that the disk refuses something that may work later: full,
	// over quota, read-only, out of memory, an input/output error.
	ErrDisk = errors.New("the disk refuses")

	// ErrUntrusted says that a flush failed: what was written before may be lost
	// although the kernel will not say so again. It is never retried.
	ErrUntrusted = errors.New("the disk cannot be trusted")

	// ErrHeld says that a process of an earlier attempt on the job still lives.
	ErrHeld = errors.New("old handler lives")
)
