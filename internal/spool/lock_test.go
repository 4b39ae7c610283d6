package spool_test

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// holder starts another process that opens the spool at dir. It returns it with
// its standard input, and what it says of the opening.
func holder(t *testing.T, dir string) (*exec.Cmd, io.Closer, string) {
	t.Helper()

	self, err := os.Executable()
	check(t, err)

	cmd := exec.CommandContext(t.Context(), self, "hold", dir)
	cmd.Stderr = os.Stderr

	in, err := cmd.StdinPipe()
	check(t, err)

	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())

	said, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)

	return cmd, in, strings.TrimSpace(said)
}

func TestSecondDaemonIsRefusedAndToldThePID(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	cmd, in, said := holder(t, dir)

	if said != "<nil>" {
		t.Fatal(said)
	}

	_, err := spool.Open(dir, spool.Options{})

	locked, ok := errors.AsType[*spool.LockedError](err)
	if !ok || locked.PID != cmd.Process.Pid || locked.Dir != dir {
		t.Errorf("open: %v; want that process %d has it", err, cmd.Process.Pid)
	}

	check(t, in.Close())
	check(t, cmd.Wait())

	if pid := spool.PIDOf(dir); pid != 0 {
		t.Errorf("process %d has it, says the pid file after a clean end", pid)
	}

	openAt(t, dir)

	if pid := spool.PIDOf(dir); pid != os.Getpid() {
		t.Errorf("process %d has it, says the pid file; want %d", pid, os.Getpid())
	}
}

func TestKilledHolderLeavesTheSpoolFree(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	cmd, _, said := holder(t, dir)
	if said != "<nil>" {
		t.Fatal(said)
	}

	check(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed

	if pid := spool.PIDOf(dir); pid != 0 {
		t.Errorf("process %d has it, says the pid file, but it is dead", pid)
	}

	openAt(t, dir)
}

func TestRefusedDaemonChangesNothing(t *testing.T) {
	t.Parallel()

	s := open(t)
	check(t, os.Remove(s.Path(job.DoneFolder, "")))

	if _, err := spool.Open(s.Dir(), spool.Options{}); err == nil {
		t.Fatal("opened twice in one process")
	}

	if _, err := os.Stat(s.Path(job.DoneFolder, "")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("done/ was made without the lock: %v", err)
	}

	if pid := spool.PIDOf(s.Dir()); pid != os.Getpid() {
		t.Errorf("the pid file of the holder says %d", pid)
	}
}

func TestChildrenDoNotInheritTheLock(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	s := openAt(t, dir)

	child := exec.CommandContext(t.Context(), "cat")

	in, err := child.StdinPipe()
	check(t, err)
	check(t, child.Start())
	check(t, s.Close())

	again, err := spool.Open(dir, spool.Options{})
	if err != nil {
		t.Errorf("while a child lives: %v", err)
	} else {
		shut(t, again)
	}

	check(t, in.Close())
	check(t, child.Wait())
}

func TestCloseTwiceAndUseAfterwards(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "one")

	check(t, s.Close())
	check(t, s.Close())

	_, probe := s.Probe(job.InboxFolder, "a.csv")
	_, claim := s.Claim(f)
	_, results := s.MakeResults(job.NewID())

	for what, err := range map[string]error{
		"probe": probe, "claim": claim, "sync": s.Sync(job.DoneFolder), "results": results,
		"note": s.WriteNote("a.csv", nil), "check": s.CheckInbox(), "reopen": s.ReopenInbox(),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after the end: %v, want that it is closed", what, err)
		}

		if what == "sync" && errors.Is(err, job.ErrUntrusted) {
			t.Errorf("sync after the end: %v, which blames the disk", err)
		}
	}
}

// TestLockThatNobodyHasIsWaitedFor opens a spool whose holder was killed as it
// started a handler: the child has the lock until it gets to its exec, which may
// take long on a busy machine.
func TestLockThatNobodyHasIsWaitedFor(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	s, err := spool.Open(dir, spool.Options{})
	check(t, err)
	check(t, s.Close())

	lock, err := os.Open(dir)
	check(t, err)
	check(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))

	time.AfterFunc(time.Second, func() { _ = lock.Close() })

	s, err = spool.Open(dir, spool.Options{})
	check(t, err)
	check(t, s.Close())
}
