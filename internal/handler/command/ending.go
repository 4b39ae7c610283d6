package command

import (
	"os"

	"golang.org/x/sys/unix"
)

// awaitEnd returns when the main process has ended and leaves it to be reaped, so
// that its number stays taken.
func (t *tree) awaitEnd() error {
	if pidfd, err := unix.PidfdOpen(t.pgid, unix.PIDFD_NONBLOCK); err == nil && pollEnd(pidfd) {
		return nil
	}

	for {
		err := unix.Waitid(unix.P_PID, t.pgid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err //nolint:wrapcheck // told by the caller
		}
	}
}

// pollEnd waits for the end of a process, of which it closes the descriptor, and says
// whether it could. It waits in the runtime's poller: a thread for each process, blocked
// in the kernel, has the runtime look every 20 µs whether it should have another one.
func pollEnd(pidfd int) bool {
	file := os.NewFile(uintptr(pidfd), "process")
	defer file.Close()

	conn, err := file.SyscallConn()
	if err != nil {
		return false
	}

	ended := false

	err = conn.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		ended = err == nil && n > 0

		return ended
	})

	return err == nil && ended
}
