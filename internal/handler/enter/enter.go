// Package enter starts a program in a cgroup where the kernel may not be asked to do so:
// a seccomp filter that forbids new namespaces (RestrictNamespaces= of systemd) has to
// forbid clone3 as a whole, since it cannot look into its arguments.
//
// Start therefore starts the daemon's own binary first, under Name. That process moves
// itself into the cgroup and only then becomes the program: same pid, and no process was
// ever started outside. Nothing of the user's has run before. Its main function has to
// call Run before all else.
//
// Besides the program's own descriptors, 0 to 4 at most, it inherits three, which the
// program does not get:
//
//	5   cgroup.procs of the cgroup, open for writing
//	6   a pipe on which it tells how it went: one byte "m" when it has moved, and whatever fails
//	    as one byte, "c" for all up to the move and "x" for the program, with the errno in
//	    4 bytes, low byte first. The end of the pipe after "m" alone: the program runs
//	7   a sealed memfd with what is to be started: a line "importerd enters: ARGS VARIABLES"
//	    with their numbers, then, each with a NUL at its end, the program's path, its
//	    arguments from argv[0] on, and its environment
//
// Its own environment is not the program's: what is meant for that must not reach our runtime.
package enter

import (
	"errors"
	"fmt"
	"syscall"
)

// Name is the argv[0] under which a process has to call Run.
const Name = "importerd-enter"

// The descriptors besides those of the program.
const (
	procsFD = iota + programFDs
	statusFD
	orderFD
)

// programFDs is how many descriptors a program can have.
const programFDs = 5

// What is told on the pipe.
const (
	moved      = 'm'
	notEntered = 'c'
	notRun     = 'x'
)

// ErrNotEntered says that the process could not get into the cgroup, whatever the program.
var ErrNotEntered = errors.New("not in the cgroup")

// errMisuse is what Run says to somebody who is not Start.
var errMisuse = errors.New("under the name " + Name + " importerd starts commands in a cgroup, for itself alone")

// Wanted says whether a process with these arguments has to call Run.
func Wanted(args []string) bool { return len(args) > 0 && args[0] == Name }

// report is what is told on the pipe of something that fails.
func report(stage byte, errno syscall.Errno) []byte {
	n := uint32(errno)

	return []byte{stage, byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
}

// judge says what was told on the pipe until its end.
func judge(told []byte) error {
	inside := len(told) > 0 && told[0] == moved
	if inside {
		told = told[1:]
	}

	if len(told) == 0 && inside {
		return nil
	}

	if len(told) < 5 {
		return errSilent
	}

	errno := syscall.Errno(uint32(told[1]) | uint32(told[2])<<8 | uint32(told[3])<<16 | uint32(told[4])<<24)
	if told[0] == notRun {
		return errno //nolint:wrapcheck // as of syscall.StartProcess
	}

	return blame("", errno)
}

// blame returns what Start says of an error that the program has no part in. For want of
// memory, processes or descriptors no program at all could be started.
func blame(what string, err error) error {
	for _, want := range []error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, want) {
			return want
		}
	}

	return fmt.Errorf("%w: %s%w", ErrNotEntered, what, err)
}

// errSilent says that the process ended before it had told how it went.
var errSilent = errors.New("ended before it was inside")
