package main

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepCapabilities keeps from handlers what the unit file gives the daemon:
// ambient capabilities are inherited by every command that it starts. Ours stay.
// Each thread has a set of its own, so it is done on all of them.
func keepCapabilities() error {
	set, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, unix.CAP_LEASE, 0, 0)
	if err != nil || set == 0 {
		return nil // none, or a kernel without them
	}

	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL,
		unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("keep capabilities from handlers: %w", errno)
	}

	return nil
}
