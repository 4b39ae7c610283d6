package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// readFlags open a file that somebody else has put there: no link is followed,
// no pipe or device is waited for, no terminal becomes ours.
const readFlags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY

// Stat says what name in folder is, without opening it.
//
// Errors: fs.ErrNotExist; job.ErrNotRegular, with the File as far as it applies;
// job.ErrDisk.
func (s *Spool) Stat(folder job.Folder, name string) (job.File, error) {
	d, err := s.place(folder, name)
	if err != nil {
		return job.File{}, err
	}

	f, err := statFile(d, name)

	return f, failed("stat", folder, name, err)
}

// Probe says what name in folder is and whether somebody has it open for
// writing. It never blocks.
//
// Errors: fs.ErrNotExist; job.ErrNotRegular; job.ErrOpen: somebody writes;
// job.ErrUnreadable: we may not read it; job.ErrNoLease: the kernel does not
// tell, quiet time must decide; job.ErrDisk. The File is valid
// whenever the kernel told what is there, with any of these errors but the first.
func (s *Spool) Probe(folder job.Folder, name string) (job.File, error) {
	d, err := s.place(folder, name)
	if err != nil {
		return job.File{}, err
	}

	f, err := statFile(d, name) // a device must not even be opened
	if err == nil {
		err = s.probe(d, f)
	}

	return f, failed("probe", folder, name, err)
}

// probe opens what f was a moment ago and asks for a lease on it. Should the name mean
// another file by now the answer is about that one. It does no harm: in the inbox Flush
// and Claim look whether the file is still f, and elsewhere nobody but us gives names.
func (s *Spool) probe(d *dir, f job.File) error {
	fd, err := d.openFile(f)
	if err != nil {
		return err
	}
	defer discard(fd)

	if !s.leases {
		return job.ErrNoLease
	}

	return tryLease(fd)
}

// openFile opens f for reading.
func (d *dir) openFile(f job.File) (int, error) {
	fd := -1

	err := d.use(func(at int) (err error) {
		fd, err = openat(at, f.Name, readFlags, 0)

		return openProblem(f, err)
	})

	return fd, err
}

// openProblem gives the kernel's answer its kind.
func openProblem(f job.File, err error) error {
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO), errors.Is(err, unix.EISDIR):
		return fmt.Errorf("%w: %w", job.ErrNotRegular, err)
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ETXTBSY):
		return fmt.Errorf("%w: %w", job.ErrOpen, err)
	case errors.Is(err, fs.ErrPermission):
		return &job.UnreadableError{Mode: f.Mode, Owner: userName(f.UID)}
	}

	return err
}

// userName returns the name of a user, or the number if there is none.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)

	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}

	return id
}

// statFile says what name in d is.
func statFile(d *dir, name string) (job.File, error) {
	var f job.File

	err := d.use(func(at int) (err error) {
		f, err = fileOf(at, name, name)

		return err
	})
	if errors.Is(err, unix.ENAMETOOLONG) { // then no file can have it
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}

	return f, err
}

// fileOf asks for at/path, or for the descriptor at if path is empty, and
// refuses what is not a regular file, though it says what it is.
func fileOf(at int, path, name string) (job.File, error) {
	stat, err := statAt(at, path)
	if err != nil {
		return job.File{}, err
	}

	f := job.File{
		Name: name, Dev: unix.Mkdev(stat.Dev_major, stat.Dev_minor), Ino: stat.Ino,
		Size: int64(stat.Size), Mode: uint32(stat.Mode) & 0o7777, UID: stat.Uid,
		Mtime: timeOf(stat.Mtime), Ctime: timeOf(stat.Ctime),
	}

	if stat.Mask&unix.STATX_BTIME != 0 {
		f.Btime = timeOf(stat.Btime)
	}

	if kind := stat.Mode & unix.S_IFMT; kind != unix.S_IFREG {
		return f, fmt.Errorf("%w: %s", job.ErrNotRegular, kindName(kind))
	}

	return f, nil
}

func timeOf(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// kindName names what is not a regular file.
func kindName(kind uint16) string {
	switch kind {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a pipe"
	case unix.S_IFSOCK:
		return "a socket"
	}

	return "a device"
}
