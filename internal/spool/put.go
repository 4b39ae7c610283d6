package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// PutOptions are what Put may be told.
type PutOptions struct {
	Name string // the file's name in the inbox, as job.CheckName allows
}

// putMode lets the group of the inbox, and so the daemon, read the file,
// whatever the umask of the producer is.
const putMode = 0o660

// Put copies r into a new file in the directory inbox and returns the file's
// path. It needs no daemon. The file appears whole and flushed, or not at all:
// nothing is left behind if r or anything else fails. Nothing is replaced.
//
// Errors: what job.CheckName says; fs.ErrExist: the name is taken;
// fs.ErrNotExist: there is no such directory; job.ErrDisk; what r returned;
// job.ErrUntrusted: the file is there, but the directory could not be flushed,
// so a power cut may undo it.
func Put(inbox string, p PutOptions, r io.Reader) (string, error) {
	if err := job.CheckName(p.Name); err != nil {
		return "", err
	}

	path := filepath.Join(inbox, p.Name)

	if err := put(inbox, p.Name, r); err != nil {
		return "", fmt.Errorf("put %s: %w", job.Show(path), withKind(err))
	}

	return path, nil
}

func put(inbox, name string, r io.Reader) error {
	// A producer need not be allowed to list the inbox, so it is not opened for reading.
	at, err := openat(unix.AT_FDCWD, inbox, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer discard(at)

	if _, err := statAt(at, name); err == nil { // sooner than after the copy
		return fs.ErrExist
	}

	d, err := newDelivery(at)
	if err != nil {
		return err
	}

	err = d.fill(r)
	if err == nil {
		err = d.appear(name)
	}

	if err == nil {
		err = d.flushInbox()
	}

	return errors.Join(err, d.close())
}

// delivery is a file on its way into an inbox.
type delivery struct {
	at   int      // the inbox, open as a path only
	file *os.File // the new file
	temp string   // its hidden name; empty: it has none, and goes away with the descriptor
}

// newDelivery makes a file without a name or, where the file system knows no such
// thing or /proc is missing, with a hidden one.
func newDelivery(at int) (*delivery, error) {
	if _, err := os.Stat("/proc/self/fd"); err == nil {
		fd, err := openat(at, ".", unix.O_TMPFILE|unix.O_WRONLY, putMode)
		if err == nil {
			return &delivery{at: at, file: os.NewFile(uintptr(fd), "new file")}, nil
		}

		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) {
			return nil, err
		}
	}

	temp := ".put-" + job.NewID().String() + ".tmp"

	fd, err := openat(at, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, putMode)
	if err != nil {
		return nil, err
	}

	return &delivery{at: at, file: os.NewFile(uintptr(fd), temp), temp: temp}, nil
}

// fill copies the content and flushes it.
func (d *delivery) fill(r io.Reader) error {
	if err := d.own(); err != nil {
		return err
	}

	if _, err := io.Copy(d.file, r); err != nil {
		return fmt.Errorf("copy: %w", err)
	}

	if err := d.file.Sync(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}

	return nil
}

// own gives the file the mode that the daemon needs and, if we are root, the
// owner that a file of the inbox has.
func (d *delivery) own() error {
	if os.Geteuid() == 0 {
		inbox, err := statAt(d.at, "")
		if err != nil {
			return err
		}

		if err := d.file.Chown(int(inbox.Uid), int(inbox.Gid)); err != nil {
			return fmt.Errorf("give it to the owner of the inbox: %w", err)
		}
	}

	if err := d.file.Chmod(putMode); err != nil {
		return fmt.Errorf("let the group of the inbox read it: %w", err)
	}

	return nil
}

// appear gives the file its name.
func (d *delivery) appear(name string) error {
	if d.temp == "" {
		self := "/proc/self/fd/" + strconv.Itoa(int(d.file.Fd()))

		return again(func() error {
			return unix.Linkat(unix.AT_FDCWD, self, d.at, name, unix.AT_SYMLINK_FOLLOW)
		})
	}

	err := again(func() error {
		return unix.Renameat2(d.at, d.temp, d.at, name, unix.RENAME_NOREPLACE)
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = unix.Linkat(d.at, d.temp, d.at, name, 0) // close removes the hidden name
	} else if err == nil {
		d.temp = ""
	}

	if err != nil {
		return fmt.Errorf("name it: %w", err)
	}

	return nil
}

// flushInbox makes the name durable. Where we may not read the inbox, and so not
// flush it, the whole file system is flushed.
func (d *delivery) flushInbox() error {
	fd, err := openat(d.at, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == nil {
		err = discardFor(fd, again(func() error { return unix.Fsync(fd) }))
	} else {
		err = again(func() error { return unix.Syncfs(int(d.file.Fd())) })
	}

	if err != nil {
		return fmt.Errorf("flush the directory: %w: %w", job.ErrUntrusted, err)
	}

	return nil
}

// close removes what has not appeared.
func (d *delivery) close() error {
	var err error
	if d.temp != "" {
		err = unix.Unlinkat(d.at, d.temp, 0)
	}

	return errors.Join(err, d.file.Close())
}
