package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// tree removes whole directories, over descriptors: it follows no links and
// does not go into what is mounted inside.
type tree struct {
	stop func() error // asked before each entry; what it returns ends the removal
	top  identity     // of the directory in which the tree lies
}

// removeTree removes name in d, whatever it is, with all that is in it. One that
// is not there is no error. A handler may have made directories that even their
// owner cannot empty; they are opened up then.
func removeTree(d *dir, name string, stop func() error) error {
	t := &tree{stop: stop, top: d.id}

	return d.use(func(at int) error { return t.remove(at, name) })
}

// never is the stop of a removal that goes on to its end.
func never() error { return nil }

func (t *tree) remove(at int, name string) error {
	if err := t.stop(); err != nil {
		return err
	}

	stat, err := statAt(at, name)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return failedEntry(name, err)
	case stat.Mode&unix.S_IFMT != unix.S_IFDIR:
		return removeEntry(at, name, 0)
	}

	id := identityOf(&stat)
	if id.dev != t.top.dev || id.mnt != t.top.mnt && id.mnt != 0 && t.top.mnt != 0 {
		return fmt.Errorf("%s: a file system is mounted there: %w", job.Show(name), unix.EBUSY)
	}

	if stat.Mode&privateMode != privateMode {
		_ = loosen(at, name) // if it does not help the removal says so
	}

	if err := t.empty(at, name); err != nil {
		return err
	}

	return removeEntry(at, name, unix.AT_REMOVEDIR)
}

// empty removes all that is in a directory. It begins anew after each piece:
// what is removed while a directory is read may make it leave out the rest.
func (t *tree) empty(at int, name string) error {
	const piece = 256 // names

	fd, err := openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return failedEntry(name, err)
	}

	d := os.NewFile(uintptr(fd), name)
	defer d.Close() // nothing was written through it

	for {
		entries, err := d.Readdirnames(piece)
		if errors.Is(err, io.EOF) && len(entries) == 0 {
			return nil
		}

		if err != nil {
			return failedEntry(name, err)
		}

		for _, entry := range entries {
			if err := t.remove(fd, entry); err != nil {
				return err
			}
		}

		if _, err := d.Seek(0, io.SeekStart); err != nil {
			return failedEntry(name, err)
		}
	}
}

// loosen lets us into a directory, if it is ours.
func loosen(at int, name string) error {
	fd, err := openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer discard(fd)

	//nolint:wrapcheck // the caller tries again and says what then happens
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), privateMode) // by name it would follow a link
}

// removeEntry removes one name that may be gone.
func removeEntry(at int, name string, flags int) error {
	err := again(func() error { return unix.Unlinkat(at, name, flags) })
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return failedEntry(name, err)
}

func failedEntry(name string, err error) error {
	return fmt.Errorf("%s: %w", job.Show(name), err)
}
