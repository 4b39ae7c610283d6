package enter

import (
	"errors"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// self is the running binary, also when another one has taken its path.
const self = "/proc/self/exe"

// What waitid says of a child that was ended by a signal.
const (
	killedBySignal = 2 // CLD_KILLED
	dumpedBySignal = 3 // CLD_DUMPED
)

// Start is syscall.StartProcess for a process in the cgroup at dir, an open directory.
// ErrNotEntered: there is no such process, and the program is not to blame. Any other
// error is the one that syscall.StartProcess would return.
func Start(dir int, program string, argv []string, attr *syscall.ProcAttr) (int, error) {
	if len(attr.Files) > programFDs {
		panic("bug: more descriptors than a program can have")
	}

	procs, err := unix.Openat(dir, "cgroup.procs", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, blame("open cgroup.procs: ", err)
	}
	defer closeFD(procs)

	order, err := write(program, argv, attr.Env)
	if err != nil {
		return 0, err
	}
	defer closeFD(order)

	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, err //nolint:wrapcheck // as of syscall.StartProcess, which needs one, too
	}
	defer closeFD(pipe[0])

	pid, err := startSelf(attr, procs, pipe[1], order)
	closeFD(pipe[1])

	if err != nil {
		return 0, err
	}

	return settle(pid, judge(readAll(pipe[0])))
}

// startSelf starts our own binary, in the place of the program in all that is not told
// in the order. One thread has to do for its runtime, and no collector of garbage.
func startSelf(attr *syscall.ProcAttr, helpers ...int) (int, error) {
	files := slices.Clone(attr.Files)
	for len(files) < programFDs {
		files = append(files, ^uintptr(0)) // closed
	}

	for _, fd := range helpers {
		files = append(files, uintptr(fd))
	}

	pid, _, err := syscall.StartProcess(self, []string{Name}, &syscall.ProcAttr{
		Dir: attr.Dir, Env: []string{"GOGC=off", "GOMAXPROCS=1"}, Files: files, Sys: attr.Sys,
	})
	runtime.KeepAlive(attr)

	// The directory or our binary: a start without the cgroup shows which.
	if err != nil {
		return 0, blame("", err)
	}

	return pid, nil
}

// settle returns what Start does when the process has told how it went.
func settle(pid int, verdict error) (int, error) {
	if verdict == nil {
		return pid, nil
	}

	// One that was killed has had the fate of any program that is killed as it starts.
	if errors.Is(verdict, errSilent) {
		if wasKilled(pid) {
			return pid, nil
		}

		verdict = blame("", verdict)
	}

	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return 0, verdict
		}
	}
}

// wasKilled waits for the end of a process, leaves it to be reaped, and says whether it
// was ended by a signal.
func wasKilled(pid int) bool {
	for {
		var info unix.Siginfo

		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil && (info.Code == killedBySignal || info.Code == dumpedBySignal)
		}
	}
}

// readAll reads a pipe to its end.
func readAll(fd int) []byte {
	var (
		told []byte
		buf  [16]byte
	)

	for {
		n, err := unix.Read(fd, buf[:])

		switch {
		case err == unix.EINTR:
		case n <= 0:
			return told
		default:
			told = append(told, buf[:n]...)
		}
	}
}

func closeFD(fd int) { _ = unix.Close(fd) } // nothing that could be lost was written
