package enter

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Run is all that a process named Name has to do. It returns if that cannot be done: with
// an error for whoever is not Start, with none if Start was told what went wrong.
func Run() error {
	if !isOrdered() {
		return errMisuse
	}

	for fd := procsFD; fd <= orderFD; fd++ {
		unix.CloseOnExec(fd)
	}

	o, err := read(orderFD)
	if err != nil {
		tell(notEntered, err)
	} else {
		o.carryOut()
	}

	return nil
}

// isOrdered says whether the descriptors are those of Start: nobody has them by mistake.
func isOrdered() bool {
	var fs unix.Statfs_t

	seals, err := unix.FcntlInt(orderFD, unix.F_GET_SEALS, 0)
	if err != nil || seals&orderSeals != orderSeals {
		return false
	}

	var st unix.Stat_t
	if unix.Fstat(statusFD, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return false
	}

	return unix.Fstatfs(procsFD, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// carryOut moves into the cgroup and becomes the program. From the move on nothing may
// need another thread, as the cgroup may not have room for one: the calls are those that
// do not tell the scheduler of ours. For the same reason it is not locked to its thread:
// whoever is, and is held up for long, needs a second one to go on.
func (o order) carryOut() {
	if err := rawWrite(procsFD, []byte("0")); err != nil {
		tell(notEntered, err)

		return
	}

	if isOrphan() {
		return
	}

	_ = rawWrite(statusFD, []byte{moved})

	// It also gives back the number of open files that our runtime has taken.
	tell(notRun, syscall.Exec(o.program, o.argv, o.env))
}

// isOrphan says whether the daemon has died meanwhile: it must not get a program that
// nobody looks after.
func isOrphan() bool {
	poll := []unix.PollFd{{Fd: statusFD}}

	var now unix.Timespec

	n, _, err := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll[0])), 1, //nolint:gosec // as rawWrite
		uintptr(unsafe.Pointer(&now)), 0, 0, 0) //nolint:gosec // as above

	return err == 0 && n > 0 && poll[0].Revents&unix.POLLERR != 0
}

// tell tells the daemon of err.
func tell(stage byte, err error) {
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		errno = unix.EIO
	}

	_ = rawWrite(statusFD, report(stage, errno))
}

func rawWrite(fd int, text []byte) error {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd),
			uintptr(unsafe.Pointer(&text[0])), uintptr(len(text))) //nolint:gosec // as any call takes its memory

		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno //nolint:wrapcheck // a bare one, to be told on the pipe
		}
	}
}
