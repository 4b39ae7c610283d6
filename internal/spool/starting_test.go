package spool_test

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// TestStartingProcessIsNoHolder: another handler is being started while one gives back
// its lock. Its process has a copy of that lock until its exec, which takes long here:
// the program's file has a lease that is given up late.
func TestStartingProcessIsNoHolder(t *testing.T) { //nolint:paralleltest // as all that signal
	s := open(t)
	id := job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	if err != nil {
		t.Fatal(err)
	}

	program, file := slowProgram(t)
	ended := make(chan syscall.WaitStatus, 1) // the goroutine below sends once

	go func() {
		var status syscall.WaitStatus

		pid, startErr := syscall.ForkExec(program, []string{"true"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
		if startErr != nil {
			t.Errorf("start: %v", startErr)
		} else if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
			t.Errorf("wait: %v", err)
		}

		ended <- status
	}()

	// Whoever waits for the lease is about to exec.
	for kind := unix.F_WRLCK; kind == unix.F_WRLCK; {
		<-time.After(time.Millisecond)

		if kind, err = unix.FcntlInt(file.Fd(), unix.F_GETLEASE, 0); err != nil {
			t.Fatal(err)
		}
	}

	if s.HandlerGone(id) {
		t.Fatal("nobody has the lock: nothing is to be seen")
	}

	signalled := make(chan struct{}) // closed by the goroutine

	go func() {
		defer close(signalled)

		s.SignalHandlers([]job.ID{id}, syscall.SIGKILL)
	}()

	select { // enough for one that does not wait to do harm; otherwise it is in vain
	case <-signalled:
	case <-time.After(300 * time.Millisecond):
	}

	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK); err != nil {
		t.Error(err)
	}

	<-signalled

	if status := <-ended; status != 0 {
		t.Errorf("a process that was just being started has ended with %v", status)
	}

	if err := s.UnlockJob(id, lock); err != nil {
		t.Errorf("give back the lock: %v", err)
	}
}

// slowProgram returns a program that cannot be run as long as file has its lease.
func slowProgram(t *testing.T) (string, *os.File) {
	t.Helper()

	from, err := os.Open("/bin/true")
	if err != nil {
		t.Skip(err)
	}
	defer from.Close()

	content, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(t.TempDir(), "true")

	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}

	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = file.Close() })

	// The signal that comes when somebody waits must not be one that ends us.
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETSIG, int(unix.SIGURG)); err != nil {
		t.Fatal(err)
	}

	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skipf("no lease here: %v", err)
	}

	return path, file
}
