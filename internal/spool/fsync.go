//go:build !mutate_nofilesync && !mutate_nodirsync

package spool

import "golang.org/x/sys/unix"

// fsync flushes a file or a directory. The builds in which it does not serve to
// show that the tests in test/faults notice.
func fsync(fd int) error {
	return unix.Fsync(fd) //nolint:wrapcheck // callers say what they have flushed
}

// queuesWork says that the kernel may be asked to flush files beside us.
const queuesWork = true
