package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// realInbox is an inbox of real files, with the kernel's real leases. What it
// answers can be bent by the tests.
type realInbox struct {
	path string
	as   int // the user with whose rights files are probed; 0: ours

	mu       sync.Mutex
	dir      *os.File                                      // the inbox held open
	bend     func(job.File, error) (job.File, error)       // of Probe; nil: nothing is bent
	bendStat func(f job.File, err error) (job.File, error) // of Stat
	checked  error                                         // what CheckInbox answers; nil: the truth
	reopened error                                         // what ReopenInbox answers; nil: it does it
	broken   error                                         // what OpenInbox answers; nil: the truth

	probes atomic.Int64
	stats  atomic.Int64
	opened atomic.Int64
}

func openInbox(path string) (*realInbox, error) {
	in := &realInbox{path: path}

	return in, in.ReopenInbox()
}

func (in *realInbox) held() *os.File {
	in.mu.Lock()
	defer in.mu.Unlock()

	return in.dir
}

func (in *realInbox) set(change func()) {
	in.mu.Lock()
	defer in.mu.Unlock()

	change()
}

func (in *realInbox) OpenInbox() (*os.File, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.opened.Add(1)

	if in.broken != nil {
		return nil, in.broken
	}

	fd, err := unix.Openat(int(in.dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open inbox: %w", err)
	}

	return os.NewFile(uintptr(fd), in.path), nil
}

func (in *realInbox) Probe(_ job.Folder, name string) (job.File, error) {
	in.probes.Add(1)

	look := probe
	if in.as != 0 {
		look = func(dir int, name string) (job.File, error) { return probeAs(in.as, dir, name) }
	}

	f, err := look(int(in.held().Fd()), name)

	in.mu.Lock()
	defer in.mu.Unlock()

	if in.bend != nil {
		return in.bend(f, err)
	}

	return f, err
}

func (in *realInbox) Stat(_ job.Folder, name string) (job.File, error) {
	in.stats.Add(1)

	f, err := stat(int(in.held().Fd()), name, unix.AT_SYMLINK_NOFOLLOW)

	in.mu.Lock()
	defer in.mu.Unlock()

	if in.bendStat != nil {
		return in.bendStat(f, err)
	}

	return f, err
}

func (in *realInbox) CheckInbox() error {
	in.mu.Lock()
	defer in.mu.Unlock()

	if in.checked != nil {
		return in.checked
	}

	var held, there unix.Statx_t

	mask := unix.STATX_INO | unix.STATX_MNT_ID

	if err := unix.Statx(int(in.dir.Fd()), "", unix.AT_EMPTY_PATH, mask, &held); err != nil {
		return fmt.Errorf("%w: %w", job.ErrInboxReplaced, err)
	}

	if err := unix.Statx(unix.AT_FDCWD, in.path, unix.AT_SYMLINK_NOFOLLOW, mask, &there); err != nil {
		return fmt.Errorf("%w: %w", job.ErrInboxReplaced, err)
	}

	if held.Ino != there.Ino || held.Dev_major != there.Dev_major || held.Dev_minor != there.Dev_minor ||
		held.Mnt_id != there.Mnt_id {
		return job.ErrInboxReplaced
	}

	return nil
}

func (in *realInbox) ReopenInbox() error {
	fd, err := unix.Open(in.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("reopen inbox: %w", err)
	}

	in.mu.Lock()
	defer in.mu.Unlock()

	if in.reopened != nil {
		return errors.Join(in.reopened, unix.Close(fd))
	}

	if in.dir != nil {
		in.dir.Close()
	}

	in.dir = os.NewFile(uintptr(fd), in.path)

	return nil
}

// probe is what the spool's Probe does, in short.
func probe(dir int, name string) (job.File, error) {
	f, err := stat(dir, name, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return f, err
	}

	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)

	switch {
	case errors.Is(err, unix.EAGAIN):
		return f, job.ErrOpen
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return f, job.ErrUnreadable
	case errors.Is(err, unix.ELOOP):
		return f, job.ErrNotRegular
	case err != nil:
		return f, err
	}

	defer func() { _ = unix.Close(fd) }()

	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)

	switch {
	case errors.Is(err, unix.EAGAIN):
		return f, job.ErrOpen
	case err != nil:
		return f, job.ErrNoLease
	}

	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)

	return f, nil
}

func stat(dir int, name string, flags int) (job.File, error) {
	var s unix.Statx_t

	err := unix.Statx(dir, name, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &s)
	if errors.Is(err, unix.ENAMETOOLONG) { // then no file can have it
		err = unix.ENOENT
	}

	if err != nil {
		return job.File{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}

	f := job.File{
		Name: name, Dev: unix.Mkdev(s.Dev_major, s.Dev_minor), Ino: s.Ino, Size: int64(s.Size),
		Mode: uint32(s.Mode & 0o7777), UID: s.Uid,
		Mtime: time.Unix(s.Mtime.Sec, int64(s.Mtime.Nsec)), Ctime: time.Unix(s.Ctime.Sec, int64(s.Ctime.Nsec)),
	}

	if s.Mode&unix.S_IFMT != unix.S_IFREG {
		return f, job.ErrNotRegular
	}

	return f, nil
}

// statAt is Stat by path.
func (in *realInbox) statAt(path string) (job.File, error) { return stat(unix.AT_FDCWD, path, 0) }
