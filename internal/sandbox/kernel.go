package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Arguments that make no sense, or nothing of them.
const (
	noFD       = ^uintptr(0)
	noProcess  = ^uintptr(0)
	noLength   = ^uintptr(0)
	unchanged  = ^uintptr(0)
	noFlag     = unix.CLONE_VFORK // unshare knows no such
	asIs       = 0xffffffff       // of personality: only tell
	bufferSize = 10               // of syslog: how much the log can hold
)

// kernel is what the kernel may not be asked for. Each of these calls does nothing: either
// it is refused with EPERM before its arguments are looked at, or with another error after.
func kernel(s self) []check {
	return []check{
		forbidden("ProtectHostname=yes", "commands do not change the name of the machine", unix.SYS_SETHOSTNAME, 0, noLength),
		forbidden("ProtectKernelLogs=yes", "commands do not read the kernel's log", unix.SYS_SYSLOG, bufferSize),
		forbidden("ProtectKernelModules=yes", "commands load no modules", unix.SYS_INIT_MODULE),
		{"ProtectClock=yes", "commands do not set the clock", func() (State, string) {
			return s.lacks("CapBnd", unix.CAP_SYS_TIME, unix.CAP_WAKE_ALARM)
		}},
		forbidden("RestrictSUIDSGID=yes", "commands make no setgid directories", unix.SYS_FCHMOD, noFD, unix.S_ISGID),
		{"RestrictNamespaces=yes", "commands cannot unshare: no podman, bwrap, sandbox of Chromium", namespaces},
		forbidden("RestrictRealtime=yes", "commands take no precedence over all others", unix.SYS_SCHED_SETSCHEDULER,
			noProcess, unix.SCHED_FIFO),
		{"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "commands have no netlink: no `ip`", families},
		{"LockPersonality=yes", "commands cannot ask for the ways of older kernels", personality},
		forbidden("SystemCallFilter=@system-service", "commands trace nobody: no strace, gdb",
			unix.SYS_PTRACE, unix.PTRACE_CONT, noProcess),
		forbidden("SystemCallFilter=~@privileged", "commands cannot chown, not even to a group of their own", unix.SYS_FCHOWN,
			noFD, unchanged, unchanged),
		{"MemoryDenyWriteExecute=no", "compilers within commands work: Java, Node", writeExecute},
		{"KeyringMode=, RemoveIPC=, SystemCallArchitectures=", "no keys and shared memory of others, no programs " +
			"for other processors", func() (State, string) { return CannotTell, "not to be seen from inside" }},
	}
}

// forbidden checks that a call is refused.
func forbidden(directive, means string, call uintptr, args ...uintptr) check {
	return check{directive, means, func() (State, string) {
		var a [3]uintptr

		copy(a[:], args)

		_, _, err := unix.Syscall(call, a[0], a[1], a[2])

		return verdict(err == unix.EPERM || err == unix.ENOSYS, "it is not refused") // ENOSYS: no kernel could do it
	}}
}

// lacks says whether a set has none of some capabilities.
func (s self) lacks(set string, capabilities ...int) (State, string) {
	has, ok := s.capabilities(set)
	if !ok {
		return CannotTell, "the kernel tells no capabilities"
	}

	for _, c := range capabilities {
		if has&(1<<c) != 0 {
			return NotInForce, "it can be had by setuid programs"
		}
	}

	return Holds, ""
}

// namespaces asks for each kind, with a flag besides that makes no sense.
func namespaces() (State, string) {
	var got []string

	for _, kind := range []struct {
		name string
		flag uintptr
	}{
		{"cgroup", unix.CLONE_NEWCGROUP},
		{"ipc", unix.CLONE_NEWIPC},
		{"mnt", unix.CLONE_NEWNS},
		{"net", unix.CLONE_NEWNET},
		{"pid", unix.CLONE_NEWPID},
		{"user", unix.CLONE_NEWUSER},
		{"uts", unix.CLONE_NEWUTS},
	} {
		if _, _, err := unix.Syscall(unix.SYS_UNSHARE, kind.flag|noFlag, 0, 0); err != unix.EPERM {
			got = append(got, kind.name)
		}
	}

	return verdict(len(got) == 0, "not refused: "+strings.Join(got, " "))
}

// families asks for a socket that talks to the kernel.
func families() (State, string) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err == nil {
		_ = unix.Close(fd)

		return NotInForce, "there is netlink"
	}

	for _, family := range []int{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6} {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			_ = unix.Close(fd)
		} else if !errors.Is(err, unix.EAFNOSUPPORT) || family == unix.AF_UNIX { // a machine may lack the others
			return NotInForce, fmt.Sprintf("family %d is refused, too: %v", family, err)
		}
	}

	return Holds, ""
}

// personality asks for what means nothing to a program that runs already, on one thread,
// and takes it back.
func personality() (State, string) {
	const noRandomAddresses = 0x0040000

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	old, _, err := unix.RawSyscall(unix.SYS_PERSONALITY, asIs, 0, 0)
	if err == unix.EPERM { // a lock lets nobody ask, either
		return Holds, ""
	}

	if err != 0 {
		return CannotTell, err.Error()
	}

	_, _, err = unix.RawSyscall(unix.SYS_PERSONALITY, old^noRandomAddresses, 0, 0)
	if err == unix.EPERM {
		return Holds, ""
	}

	_, _, _ = unix.RawSyscall(unix.SYS_PERSONALITY, old, 0, 0)

	return NotInForce, "it can be changed"
}

// writeExecute asks for memory that can be written and executed, and gives it back. A unit
// that forbids it is stricter than ours, which is no fault.
func writeExecute() (State, string) {
	memory, err := unix.Mmap(-1, 0, syscall.Getpagesize(),
		unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return CannotTell, "it is forbidden, more than our unit does: " + err.Error() + "; Java and Node do not start"
	}

	_ = unix.Munmap(memory)

	return Holds, ""
}
