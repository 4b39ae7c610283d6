package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// socketMode lets the group of the daemon use its socket.
	socketMode = 0o660
	// socketDirMode is that of the socket's directory if we have to make it.
	socketDirMode = 0o750
	// maxSunPath is the longest path that the kernel takes for a socket.
	maxSunPath = 107
)

// SocketTakenError says that another daemon listens on the socket.
type SocketTakenError struct{ Path string }

// Error says it for people.
func (e *SocketTakenError) Error() string {
	return "another daemon listens on " + e.Path
}

// socket is a unix socket of our own, which goes away with us.
type socket struct {
	net.Listener

	path string
	dir  *os.File    // open while a long path is reached through it; nil: it is short
	made os.FileInfo // what we have made
}

// Close stops listening and removes the socket, unless another one is there.
func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.made) {
		_ = os.Remove(s.path) // what is left is replaced by the next start
	}

	err := s.Listener.Close()
	if s.dir != nil {
		err = errors.Join(err, s.dir.Close())
	}

	if err != nil {
		return fmt.Errorf("close socket: %w", err)
	}

	return nil
}

// listenUnix makes a socket at path, in place of one that nobody listens on any more.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Mkdir(filepath.Dir(path), socketDirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("directory of the socket: %w", err)
	}

	s := &socket{path: path}

	short, err := s.shorten()
	if err != nil {
		return nil, err
	}

	err = s.take(ctx, short)
	if err != nil {
		if s.dir != nil {
			err = errors.Join(err, s.dir.Close())
		}

		return nil, err
	}

	return s, nil
}

// take listens, in place of a socket that nobody listens on. Of daemons that start
// together one at a time looks and takes: the next one finds it listening.
func (s *socket) take(ctx context.Context, short string) error {
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return fmt.Errorf("directory of the socket: %w", err)
	}
	defer dir.Close()

	if err := lockSoon(ctx, int(dir.Fd())); err != nil {
		return fmt.Errorf("lock the directory of the socket: %w", err)
	}

	err = s.listen(ctx, short)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err = clearSocket(ctx, s.path, short); err == nil {
			err = s.listen(ctx, short)
		}
	}

	return err
}

// lockSoon locks a directory, but does not wait for long: if it is a spool, also one of
// ours, its daemon has the lock as long as it runs. Then it goes without.
func lockSoon(ctx context.Context, fd int) error {
	const (
		pause = 5 * time.Millisecond
		tries = 100
	)

	for range tries {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err //nolint:wrapcheck // by take
		}

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}

	return nil
}

// shorten returns a path that the kernel takes.
func (s *socket) shorten() (string, error) {
	if len(s.path) <= maxSunPath {
		return s.path, nil
	}

	fd, err := unix.Open(filepath.Dir(s.path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("directory of the socket: %w", err)
	}

	s.dir = os.NewFile(uintptr(fd), filepath.Dir(s.path))

	return filepath.Join("/proc/self/fd", strconv.Itoa(fd), filepath.Base(s.path)), nil
}

// listen listens on the socket. Before its mode is set the umask lets nobody else
// in either.
func (s *socket) listen(ctx context.Context, short string) error {
	var config net.ListenConfig

	l, err := config.Listen(ctx, "unix", short)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}

	if ul, ok := l.(*net.UnixListener); ok {
		ul.SetUnlinkOnClose(false)
	}

	err = os.Chmod(s.path, socketMode)
	if err == nil {
		s.made, err = os.Lstat(s.path)
	}

	if err != nil {
		return errors.Join(fmt.Errorf("socket: %w", err), l.Close())
	}

	s.Listener = l

	return nil
}

// clearSocket removes a socket on which nobody listens.
func clearSocket(ctx context.Context, path, short string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}

	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen: %s is there and is no socket: move it away", path)
	}

	var dialer net.Dialer

	conn, err := dialer.DialContext(ctx, "unix", short)

	switch {
	case err == nil:
		return errors.Join(&SocketTakenError{path}, conn.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("old socket: %w", err)
		}

		return nil
	default:
		return fmt.Errorf("listen: %w", err)
	}
}

// listenTCP listens on an address.
func listenTCP(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig

	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}

	return l, nil
}
