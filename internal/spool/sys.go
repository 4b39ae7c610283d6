package spool

import (
	"errors"

	"golang.org/x/sys/unix"
)

// again calls until the call is not interrupted by a signal: Go's own
// signals reach calls that wait for a slow disk or a FUSE server.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// openat opens without ever handing the descriptor to a child by mere fork.
func openat(at int, name string, flags int, mode uint32) (int, error) {
	var fd int

	err := again(func() (err error) {
		fd, err = unix.Openat(at, name, flags|unix.O_CLOEXEC, mode)

		return err //nolint:wrapcheck // what is asked for is known above, and said there
	})

	return fd, err
}

// discard closes a descriptor through which nothing was written.
func discard(fd int) { _ = unix.Close(fd) }

// discardFor closes a descriptor on the way out with err.
func discardFor(fd int, err error) error {
	discard(fd)

	return err
}

// statAt asks for name below at without following it; an empty name means the
// descriptor itself.
func statAt(at int, name string) (unix.Statx_t, error) {
	const mask = unix.STATX_BASIC_STATS | unix.STATX_BTIME | unix.STATX_MNT_ID

	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}

	var stat unix.Statx_t

	err := again(func() error { return unix.Statx(at, name, flags, mask, &stat) })

	return stat, err
}

// unlink removes a name that is no directory.
func (d *dir) unlink(name string) error {
	return d.use(func(fd int) error { return unix.Unlinkat(fd, name, 0) })
}

// rename moves one name, whatever it is, and never onto another.
func rename(from *dir, name string, to *dir, newName string) error {
	return from.use(func(fromFD int) error {
		return to.use(func(toFD int) error {
			return again(func() error {
				return unix.Renameat2(fromFD, name, toFD, newName, unix.RENAME_NOREPLACE)
			})
		})
	})
}
