package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// identity tells one directory from all others, mounts included: a bind mount
// has the device and the inode of what it shows, but a mount id of its own.
type identity struct {
	dev, ino uint64
	mnt      uint64 // 0: this kernel does not tell
}

// same says whether i and j are the same directory seen through the same mount.
func (i identity) same(j identity) bool {
	return i.inode(j) && (i.mnt == j.mnt || i.mnt == 0 || j.mnt == 0)
}

// inode says whether i and j are the same directory, through whatever mount.
func (i identity) inode(j identity) bool { return i.dev == j.dev && i.ino == j.ino }

func (i identity) String() string {
	return fmt.Sprintf("device %d:%d inode %d mount %d", unix.Major(i.dev), unix.Minor(i.dev), i.ino, i.mnt)
}

// dir is a directory held open.
type dir struct {
	path string // absolute; for messages and for looking whether it is still there
	id   identity
	mode uint32 // permission bits when it was opened
	uid  uint32 // owner when it was opened

	fd    int
	users atomic.Int64 // who uses fd at the moment, and closing from when it is to be closed

	// next is what took its place before it was closed; nil: nothing did. Who has
	// looked this one up a moment ago is sent on.
	next atomic.Pointer[dir]

	// flushing lets one flush at a time in: of two on one descriptor the kernel
	// would tell only one that something was lost.
	flushing sync.Mutex
}

// closing is more than there ever are users, and what makes their number negative.
const closing = math.MinInt64

// use calls do with the descriptor, which stays valid until do returns even if
// the directory is closed meanwhile.
func (d *dir) use(do func(fd int) error) error {
	if d.enter() {
		defer d.leave()

		return do(d.fd)
	}

	if next := d.next.Load(); next != nil {
		return next.use(do)
	}

	return fs.ErrClosed
}

// enter keeps the descriptor open until leave; false: it is closed, or soon will be.
func (d *dir) enter() bool {
	for {
		n := d.users.Load()
		if n < 0 {
			return false
		}

		if d.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends what enter has begun. Who leaves last closes what is to be closed.
func (d *dir) leave() {
	if d.users.Add(-1) == closing {
		discard(d.fd)
	}
}

// giveWay closes d, in whose place next is used from now on.
func (d *dir) giveWay(next *dir) error {
	d.next.Store(next)

	return d.close()
}

// reopen opens the directory a second time, with an offset and a lock of its own.
func (d *dir) reopen() (*os.File, error) {
	var fd int

	err := d.use(func(at int) (err error) {
		fd, err = openat(at, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)

		return err
	})
	if err != nil {
		return nil, err
	}

	return os.NewFile(uintptr(fd), d.path), nil
}

// close closes the directory, now or when nobody uses it any more: a flush may take
// long. To close it again is fs.ErrClosed.
func (d *dir) close() error {
	for {
		n := d.users.Load()
		if n < 0 {
			return fs.ErrClosed
		}

		if !d.users.CompareAndSwap(n, n+closing) {
			continue
		}

		if n == 0 {
			discard(d.fd)
		}

		return nil
	}
}

// openDir opens the directory name below at, which the path stands for. It
// follows no link at its end.
func openDir(at int, name, path string) (*dir, error) {
	fd, err := openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, notDirectory(at, name, path, err)
	}

	stat, err := statAt(fd, "")
	if err != nil {
		return nil, discardFor(fd, err)
	}

	return &dir{
		path: path, id: identityOf(&stat), mode: uint32(stat.Mode) & 0o7777, uid: stat.Uid, fd: fd,
	}, nil
}

// notDirectory makes a refusal of err where the name is there but no directory.
func notDirectory(at int, name, path string, err error) error {
	if !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
		return err
	}

	unfit := &UnfitError{Path: path, Reason: "is not a directory", Hint: "move it away"}

	stat, serr := statAt(at, name)
	if serr == nil && stat.Mode&unix.S_IFMT == unix.S_IFLNK {
		unfit.Reason, unfit.Hint = "is a symbolic link", "put a directory there, or name the one that it points to"
	}

	return unfit
}

// checkName refuses what cannot be one entry of a directory. Names come from
// directories and from the journal; others were checked when they came in.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("bug: %q is not the name of a file: %w", name, fs.ErrInvalid)
	}

	return nil
}

// identityOf takes the identity out of what the kernel said.
func identityOf(stat *unix.Statx_t) identity {
	id := identity{dev: unix.Mkdev(stat.Dev_major, stat.Dev_minor), ino: stat.Ino}
	if stat.Mask&unix.STATX_MNT_ID != 0 {
		id.mnt = stat.Mnt_id
	}

	return id
}
