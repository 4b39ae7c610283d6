package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// Whoever is process 1, as in a container, inherits all that others leave behind and
// has to reap it. The daemon waits for its own commands by number, and must not take
// the end of one of them for that of an orphan, nor the other way round. So process 1
// starts the program a second time and does nothing but to reap, to pass on signals
// and to end as that one ends: it has a single child of its own to tell from orphans,
// and orphans never are children of the daemon.

// isFirst says whether this is process 1 and was told to run the daemon. The other
// commands start no processes.
func (p *program) isFirst() bool {
	return os.Getpid() == 1 && len(p.args) > 0 && p.args[0] == "run"
}

// beFirst runs the program as a child and returns what it ends with. When process 1
// ends, the kernel ends all that is left.
func (p *program) beFirst() (int, error) {
	passed := make(chan os.Signal, 16) // the kernel sends, passOn receives, nobody closes
	signal.Notify(passed, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)

	child, err := again()
	if err != nil {
		signal.Stop(passed)

		return 0, err
	}

	go func() {
		for sig := range passed {
			_ = child.Signal(sig) // it may have ended
		}
	}()

	return reap(child.Pid)
}

// again starts this program with the same arguments and all that it was given.
func again() (*os.Process, error) {
	var failed error

	// Without /proc only the name is known by which it was called.
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}

	for _, path := range []string{self, "/proc/self/exe"} { // it may have been replaced on the disk
		child, err := os.StartProcess(path, os.Args, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
		if err == nil {
			return child, nil
		}

		failed = fmt.Errorf("process 1 starts the daemon: %w", err)
	}

	return nil, failed
}

// reap reaps whoever ends until the child does, and returns its exit code; for a signal
// 128 and its number, as a shell does.
func reap(child int) (int, error) {
	for {
		var status syscall.WaitStatus

		pid, err := syscall.Wait4(-1, &status, 0, nil)

		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, fmt.Errorf("process 1 waits for the daemon: %w", err)
		case pid == child && status.Exited():
			return status.ExitStatus(), nil
		case pid == child && status.Signaled():
			return 128 + int(status.Signal()), nil
		}
	}
}

// takeOver makes ours what a service manager or container engine has meant for
// process 1, if that is the one that has started us.
func takeOver() error {
	if os.Getppid() != 1 {
		return nil
	}

	for _, name := range []string{"LISTEN_PID", "WATCHDOG_PID"} {
		if os.Getenv(name) != "1" {
			continue
		}

		if err := os.Setenv(name, strconv.Itoa(os.Getpid())); err != nil {
			return fmt.Errorf("take over %s: %w", name, err)
		}
	}

	return nil
}
