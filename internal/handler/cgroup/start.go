package cgroup

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"importerd/internal/handler/enter"
)

// ErrOutside says that no process can be started in a group, whatever its program.
var ErrOutside = errors.New("start a process in a cgroup")

// lacksClone3 says whether the kernel starts no process in a group: the sandbox of a service
// may forbid the call (RestrictNamespaces=), as the namespaces that it might be asked for
// cannot be seen from outside. Without arguments it does nothing.
func lacksClone3() error {
	_, _, err := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
	if err == unix.ENOSYS || err == unix.EPERM {
		return err //nolint:wrapcheck // told by those who want a process
	}

	return nil
}

// Enter lets processes be started that go into their groups by themselves, where the
// kernel may not start them there. Only a program whose main function calls enter.Run for
// enter.Name may allow it. It comes before New.
func (r *Root) Enter() {
	r.mayEnter = true

	if r.noClone3 != nil {
		r.log.Debug().Err(r.noClone3).Msg("processes cannot be started in cgroups, they enter them")
	}
}

// Start is syscall.StartProcess for a process that is in the group from its first
// instruction on. ErrOutside: there is none, for the group's sake and not for the program's.
func (g *Group) Start(program string, argv []string, attr *syscall.ProcAttr) (int, error) {
	switch {
	case g.root.noClone3 == nil:
		return g.start(program, argv, attr)
	case g.root.mayEnter:
		pid, err := enter.Start(g.fd, program, argv, attr)
		if errors.Is(err, enter.ErrNotEntered) || err != nil && g.gone() {
			return 0, fmt.Errorf("%w: %w", ErrOutside, err)
		}

		return pid, err //nolint:wrapcheck // as of syscall.StartProcess
	default:
		return 0, fmt.Errorf("%w: %w", ErrOutside, g.root.noClone3)
	}
}

// start lets the kernel start the process in the group.
func (g *Group) start(program string, argv []string, attr *syscall.ProcAttr) (int, error) {
	sys := *attr.Sys
	sys.UseCgroupFD, sys.CgroupFD = true, g.fd
	inside := *attr
	inside.Sys = &sys

	pid, _, err := syscall.StartProcess(program, argv, &inside)
	if err == nil || !g.isBlamed(err) {
		return pid, err //nolint:wrapcheck // as of syscall.StartProcess
	}

	return 0, fmt.Errorf("%w: %w", ErrOutside, err)
}

// isBlamed says whether err, with which no process could be started, may be for the
// group's sake and not for the program's.
func (g *Group) isBlamed(err error) bool {
	for _, e := range []error{unix.EBUSY, unix.EOPNOTSUPP, unix.EPERM, unix.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}

	return g.gone()
}
