package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

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

func put(path, name string, r io.Reader) error {
	inbox, err := openPath(path)
	if err != nil {
		return err
	}

	if err := inbox.use(func(at int) error { return untaken(at, name) }); err != nil { // sooner than after the copy
		return errors.Join(err, inbox.close())
	}

	d, err := newDelivery(inbox, inbox, putMode)
	if err != nil {
		return errors.Join(err, inbox.close())
	}

	err = d.own(inbox)
	if err == nil {
		err = d.fill(r)
	}

	if err == nil {
		err = d.appear(name)
	}

	if err == nil {
		err = d.flushInbox()
	}

	return errors.Join(err, d.close(), inbox.close())
}

// openPath opens a directory so that names in it can be used, and nothing else: a
// producer need not be allowed to list the inbox.
func openPath(path string) (*dir, error) {
	fd, err := openat(unix.AT_FDCWD, path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}

	return &dir{path: path, fd: fd}, nil
}

// untaken is fs.ErrExist if something has the name.
func untaken(at int, name string) error {
	if _, err := statAt(at, name); err == nil {
		return fs.ErrExist
	}

	return nil
}

// flushInbox makes the name durable. Where we may not read the inbox, and so not
// flush it, the whole file system is flushed.
func (d *delivery) flushInbox() error {
	fd := -1

	err := d.to.use(func(at int) (err error) {
		fd, err = openat(at, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)

		return err
	})
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
