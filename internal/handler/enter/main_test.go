package enter_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"importerd/internal/handler/enter"
)

const (
	// longWait is for what must happen, whatever the machine has to do besides.
	longWait = time.Minute
	// misused is the exit code of the step between when it was not started by Start.
	misused = 64
	// starterArg makes the test binary a daemon that starts a program in the cgroup of the next
	// argument; the others are the program's.
	starterArg = "be-a-starter"
)

func TestMain(m *testing.M) {
	if enter.Wanted(os.Args) {
		if err := enter.Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}

		os.Exit(misused)
	}

	if len(os.Args) > 3 && os.Args[1] == starterArg {
		os.Exit(starter(os.Args[2], os.Args[3:]))
	}

	goleak.VerifyTestMain(m)
}

// starter starts a program when its own binary is gone, and waits for it.
func starter(dir string, argv []string) int {
	self, err := os.Executable()
	if err == nil {
		err = os.Remove(self)
	}

	var at *os.File

	if err == nil {
		at, err = os.Open(dir)
	}

	pid := 0

	if err == nil {
		pid, err = enter.Start(int(at.Fd()), argv[0], argv,
			&syscall.ProcAttr{Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{}})
	}

	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}

	_, _ = syscall.Wait4(pid, nil, 0, nil)

	return 0
}

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// directory returns a cgroup, which goes away with the test.
func directory(t testing.TB) *os.File {
	t.Helper()

	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)

	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] != "cgroup2" {
			continue
		}

		path, err := os.MkdirTemp(fields[1], "importerd-enter-test-")
		if err != nil {
			t.Skipf("needs a cgroup in which it may make others (be root): %v", err)
		}

		dir, err := os.Open(path)
		must(t, err)

		t.Cleanup(func() {
			_ = os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0)
			_ = dir.Close()

			eventually(t, "the cgroup is removed", func() bool { return os.Remove(path) == nil })
		})

		return dir
	}

	t.Skip("needs cgroups of version 2")

	return nil
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()

	deadline := time.After(longWait)
	ticker := time.NewTicker(time.Millisecond)

	defer ticker.Stop()

	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("does not come about: %s", what)
		}
	}
}

// control writes into a file of a cgroup.
func control(t testing.TB, dir *os.File, file, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir.Name(), file), []byte(text), 0))
}

// members returns who is in a cgroup.
func members(t testing.TB, dir *os.File) []string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(dir.Name(), "cgroup.procs"))
	must(t, err)

	return strings.Fields(string(text))
}

// start is Start, or what the kernel does itself.
type start func(dir int, program string, argv []string, attr *syscall.ProcAttr) (int, error)

// byTheKernel is what Start is to be like.
func byTheKernel(dir int, program string, argv []string, attr *syscall.ProcAttr) (int, error) {
	sys := *attr.Sys
	sys.UseCgroupFD, sys.CgroupFD = true, dir
	inside := *attr
	inside.Sys = &sys
	pid, _, err := syscall.StartProcess(program, argv, &inside)

	return pid, err
}

// reap waits for a child.
func reap(t testing.TB, pid int) syscall.WaitStatus {
	t.Helper()

	var status syscall.WaitStatus

	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			must(t, err)

			return status
		}
	}
}

// output runs a script, which has to exit with 7, and returns what it prints.
func output(t testing.TB, how start, dir *os.File, attr syscall.ProcAttr, script string) string {
	t.Helper()

	r, w, err := os.Pipe()
	must(t, err)

	defer r.Close()

	null, err := os.Open(os.DevNull)
	must(t, err)

	defer null.Close()

	attr.Files = append([]uintptr{null.Fd(), w.Fd(), w.Fd()}, attr.Files...)
	pid, err := how(int(dir.Fd()), "/bin/sh", []string{"a name", "-c", script, "sh", "$0 is odd", "", "ü\n*"}, &attr)
	must(t, err)
	must(t, w.Close())

	text, err := io.ReadAll(r)
	must(t, err)

	if status := reap(t, pid); status.ExitStatus() != 7 {
		t.Errorf("status %v: %s", status, text)
	}

	return string(text)
}

func needs(t testing.TB, program string) string {
	t.Helper()

	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s: %v", program, err)
	}

	return path
}

const (
	sigterm = unix.SIGTERM
	sigkill = unix.SIGKILL
)
