package spool_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// TestMain runs the tests, or is the other process of one of them.
func TestMain(m *testing.M) {
	const args = 3

	if len(os.Args) == args {
		switch os.Args[1] {
		case "hold":
			os.Exit(hold(os.Args[2]))
		case "die":
			os.Exit(die(os.Args[2]))
		}
	}

	goleak.VerifyTestMain(m)
}

// hold opens a spool, says how that went, and keeps it until its standard
// input ends.
func hold(dir string) int {
	s, err := spool.Open(dir, spool.Options{})
	_, _ = fmt.Fprintf(os.Stdout, "%v\n", err)

	if err != nil {
		return 1
	}

	_, _ = io.Copy(io.Discard, os.Stdin)

	if err := s.Close(); err != nil {
		return 1
	}

	return 0
}

// open opens a spool in a directory of its own.
func open(t *testing.T) *spool.Spool {
	t.Helper()

	return openAt(t, t.TempDir())
}

// openAt opens the spool at dir until the end of the test.
func openAt(t *testing.T, dir string) *spool.Spool {
	t.Helper()

	s, err := spool.Open(dir, spool.Options{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { shut(t, s) })

	return s
}

func shut(t *testing.T, s *spool.Spool) {
	t.Helper()

	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// drop puts a file into a folder of the spool.
func drop(t *testing.T, s *spool.Spool, folder job.Folder, name, text string) {
	t.Helper()

	write(t, s.Path(folder, name), text)
}

func write(t *testing.T, path, text string) {
	t.Helper()

	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// dropped puts a file into the inbox and returns what Stat says of it.
func dropped(t *testing.T, s *spool.Spool, name, text string) job.File {
	t.Helper()
	drop(t, s, job.InboxFolder, name, text)

	f, err := s.Stat(job.InboxFolder, name)
	if err != nil {
		t.Fatal(err)
	}

	return f
}

// holds fails the test unless the file has the text.
func holds(t *testing.T, path, text string) {
	t.Helper()

	got, err := os.ReadFile(path)
	if err != nil || string(got) != text {
		t.Errorf("%q holds %q, %v; want %q", path, got, err, text)
	}
}

// settled probes a file until nobody has it open for writing: a process that
// another test starts has what we write open for a moment.
func settled(t *testing.T, s *spool.Spool, folder job.Folder, name string) (job.File, error) {
	t.Helper()

	deadline := time.Now().Add(time.Minute)

	for {
		f, err := s.Probe(folder, name)
		if !errors.Is(err, job.ErrOpen) || time.Now().After(deadline) {
			return f, err
		}

		runtime.Gosched()
	}
}

// list returns the names in a directory.
func list(t *testing.T, path string) []string {
	t.Helper()

	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}

	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}

	return names
}

// empty fails the test unless nothing is in the folder.
func empty(t *testing.T, s *spool.Spool, folder job.Folder) {
	t.Helper()

	if names := list(t, s.Path(folder, "")); len(names) > 0 {
		t.Errorf("%s/ holds %q, want nothing", folder, names)
	}
}

// check stops the test if something that must work did not.
func check(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// needRoot skips a test that only root can do.
func needRoot(t *testing.T) {
	t.Helper()

	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// need skips a test for want of a program.
func need(t *testing.T, program string) {
	t.Helper()

	if _, err := exec.LookPath(program); err != nil {
		t.Skip("needs the program " + program)
	}
}

// onThread calls do on a thread that ends with it, so that it may become
// whatever it likes. do may end the test.
func onThread(do func()) {
	done := make(chan struct{})

	go func() {
		defer close(done)
		runtime.LockOSThread() // never undone: the runtime ends the thread

		do()
	}()

	<-done
}

// asUser calls do as another user, without capabilities.
func asUser(t *testing.T, uid int, do func()) {
	t.Helper()
	needRoot(t)

	onThread(func() {
		id := uintptr(uid)
		// Without the rest of the process: these are the system calls of one thread.
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS, 0, 0, 0}, {unix.SYS_SETRESGID, id, id, id}, {unix.SYS_SETRESUID, id, id, id},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				t.Errorf("become user %d: %v", uid, errno)

				return
			}
		}

		do()
	})
}

// someone is a user of whom nobody else knows.
const someone = 54321

// public returns a directory to which all users find the way.
func public(t *testing.T) string {
	t.Helper()

	dir := t.TempDir()
	for path := dir; path != os.TempDir() && path != "/"; path = filepath.Dir(path) {
		check(t, os.Chmod(path, 0o755))
	}

	return dir
}

// inNamespace calls do where mounts are nobody else's and end with it.
func inNamespace(t *testing.T, do func()) {
	t.Helper()
	needRoot(t)

	onThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			t.Skip("needs a mount namespace: " + err.Error())
		}

		check(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		do()
	})
}

// mount mounts in the namespace of this thread, or skips the test.
func mount(t *testing.T, target, kind string, flags uintptr, data string) {
	t.Helper()

	// What is mounted matters for a bind mount only: there it is the target itself.
	if err := unix.Mount(target, target, kind, flags, data); err != nil {
		t.Skipf("needs to mount %s at %s: %v", kind, target, err)
	}
}
