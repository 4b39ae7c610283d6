package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

const pidFile = "pid"

// lock takes the instance lock: a flock on the spool's directory itself, so
// that nothing has to be made for it and it cannot be removed by mistake.
func (s *Spool) lock() error {
	const tries = 50 // of 100 ms

	err := s.root.use(lockSoon)

	// Its holder was killed as it started a handler: on a busy machine it may
	// take a while until that lets go.
	for n := 1; n < tries && errors.Is(err, job.ErrHeld) && PIDOf(s.path) == 0; n++ {
		err = s.root.use(lockSoon)
	}

	switch {
	case err == nil:
		return nil
	case errors.Is(err, job.ErrHeld):
		return &LockedError{Dir: s.path, PID: PIDOf(s.path)}
	case errors.Is(err, unix.EIO), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("lock %s: %w", job.Show(s.path), err)
	}

	return &UnfitError{
		Path: s.path, Reason: "cannot be locked (" + err.Error() + " on " + s.kind.name + ")",
		Hint: "use a directory on a local file system",
	}
}

// lockNow takes a flock on fd, or fails at once with job.ErrHeld.
func lockNow(fd int) error {
	err := again(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return job.ErrHeld
	}

	return err
}

// lockSoon is lockNow that lets a process pass which is just being started.
func lockSoon(fd int) error {
	return soon(job.ErrHeld, func() error { return lockNow(fd) })
}

// soon calls try until it fails no more with busy: once more when nobody starts a
// process, and then for up to 100 ms. A process that another goroutine starts has copies
// of all our descriptors, with our locks and our open files, for the moment between its
// fork and its exec. When that is over Go's own lock tells; nobody does where it was not
// we who started it.
func soon(busy error, try func() error) error {
	const (
		pause = 2 * time.Millisecond
		tries = 50
	)

	err := try()
	if errors.Is(err, busy) {
		err = unforked(try)
	}

	for n := 0; n < tries && errors.Is(err, busy); n++ {
		<-time.After(pause)

		err = try()
	}

	return err
}

// unforked calls try when no process is between fork and exec, and lets none be started
// meanwhile.
func unforked(try func() error) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()

	return try()
}

// writePID tells people who has the spool. It needs no flush: a power cut ends
// the process too.
func (s *Spool) writePID() error {
	text := strconv.Itoa(os.Getpid()) + "\n"

	return s.folders[job.OwnFolder].use(func(at int) error {
		fd, err := openat(at, pidFile, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return fmt.Errorf("write %s: %w", pidFile, err)
		}
		defer discard(fd)

		if _, err := unix.Write(fd, []byte(text)); err != nil {
			return fmt.Errorf("write %s: %w", pidFile, err)
		}

		return nil
	})
}

// PIDOf returns the number of the process that says it has the spool at path,
// or 0 if none is known. It is for messages: only the lock itself is sure.
func PIDOf(path string) int {
	const longest = 32 // bytes: a number and a newline

	file, err := os.OpenFile(filepath.Join(path, string(job.OwnFolder), pidFile),
		os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0
	}
	defer file.Close()

	text, err := io.ReadAll(io.LimitReader(file, longest))
	if err != nil {
		return 0
	}

	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 || errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return 0
	}

	return pid
}
