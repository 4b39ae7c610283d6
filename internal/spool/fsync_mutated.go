//go:build mutate_nofilesync || mutate_nodirsync

package spool

import "golang.org/x/sys/unix"

// fsync leaves out what the mutation says. No such build is ever shipped.
func fsync(fd int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}

	if directory := stat.Mode&unix.S_IFMT == unix.S_IFDIR; directory == leaveOutDirectories {
		return nil
	}

	return unix.Fsync(fd)
}

// queuesWork says that the kernel may not be asked to flush files beside us.
const queuesWork = false
