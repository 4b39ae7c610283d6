package process_test

import (
	"bufio"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// oldHandler starts a process that holds the lock of a job on the file name, as
// a handler of a daemon that has died. The channel is closed when the process has
// ended. Tests that do so must not run beside others: a process that is about to
// begin has copies of all locks, for a time that does not pass in a bubble.
func oldHandler(t *testing.T, dir, name, script string) <-chan struct{} {
	t.Helper()

	return leaveHandler(t, dir, name, script, (*spool.Spool).NoteProcess)
}

// leaveHandler is oldHandler for a daemon that has died at some point of note.
func leaveHandler(
	t *testing.T, dir, name, script string, note func(s *spool.Spool, lock *os.File, pid int) error,
) <-chan struct{} {
	t.Helper()

	s, err := spool.Open(dir, spool.Options{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}

	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()

	if err := os.WriteFile(s.Path(job.ProcessingFolder, name), []byte(name), 0o600); err != nil {
		t.Fatal(err)
	}

	lock, err := s.LockJob(job.NewID(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()

	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()

	child := exec.Command("/bin/sh", "-c", "mkfifo fifo; exec 3<>fifo; "+script)
	child.Dir, child.Stdout, child.ExtraFiles = dir, in, []*os.File{nil, lock}
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	if err := child.Start(); err != nil {
		t.Skipf("no shell: %v", err)
	}

	_ = in.Close()

	ended := make(chan struct{})

	go func() {
		defer close(ended)

		_ = child.Wait()
	}()

	t.Cleanup(func() {
		_ = child.Process.Kill()
		<-ended
	})

	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // the traps are set
		t.Fatal(err)
	}

	if err := note(s, lock, child.Process.Pid); err != nil {
		t.Fatal(err)
	}

	return ended
}

func TestOldHandlerIsAskedToEnd(t *testing.T) {
	dir := t.TempDir()
	ended := oldHandler(t, dir, "old", `trap 'echo asked > asked; exit 0' TERM; echo; while :; do read x <&3; done`)

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir)
		r.inbox("new")
		r.start()
		<-ended // no time goes by in the bubble meanwhile
		r.said(1, "old handler lives", "old")
		r.pass(1100 * time.Millisecond) // asked for each second, not at each beat
		r.said(1, "old handler gone")
		r.said(1, "job interrupted")
		r.want("done/new", "done/old")
		r.runs("old", 1)
		r.stops()

		if text, err := os.ReadFile(dir + "/asked"); err != nil || string(text) != "asked\n" {
			r.Errorf("%q, %v", text, err)
		}
	})
}

func TestOldHandlerIsKilledAndItsFileHeld(t *testing.T) {
	dir := t.TempDir()
	ended := oldHandler(t, dir, "old", `trap '' TERM; echo > processing/scratch; echo; while :; do read x <&3; done`)

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir)
		if err := os.Rename(r.disk.Path(job.ProcessingFolder, "scratch"), dir+"/scratch"); err != nil {
			r.Fatal(err)
		}

		r.inbox("new", "old")
		r.start()

		// What an old handler puts there while it lives may be its own.
		r.drop(job.ProcessingFolder, "scratch", "x")
		r.pass(9500 * time.Millisecond)
		r.want("inbox/old", "processing/old", "processing/scratch", "done/new")
		r.runs("old", 0)

		if why, ok := r.pool.Explain(r.Context(), "old"); !ok || why.Text != job.ErrHeld.Error() {
			r.Errorf("explain %+v, %t", why, ok)
		}

		if c := r.pool.Counts(); c.Held != 1 {
			r.Errorf("counts %+v", c)
		}

		if r.pool.Idle(r.Context()) {
			r.Error("idle while an old handler is about to be ended")
		}

		select {
		case <-ended:
			r.Error("killed before its grace was over")
		default:
		}

		r.pass(time.Second)
		<-ended
		r.pass(20 * time.Second)
		r.runs("old", 2)

		if got := r.names(job.DoneFolder); len(got) != 3 || r.text(job.FailedFolder, "scratch") == "" {
			r.Errorf("files %v", r.files())
		}

		r.stops()
	})
}

// TestOldHandlerThatCannotBeEnded is one that must not be signalled: we hold the
// lock ourselves.
func TestOldHandlerThatCannotBeEnded(t *testing.T) {
	dir := t.TempDir()

	s, err := spool.Open(dir, spool.Options{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}

	lock, err := s.LockJob(job.NewID(), "old")
	if err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(s.Path(job.ProcessingFolder, "old"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir)
		r.start()
		r.pass(15 * time.Second)

		if r.pool.Idle(r.Context()) {
			r.Error("idle while the old handler may still end")
		}

		r.pass(10 * time.Second)

		if !r.pool.Idle(r.Context()) {
			r.Error("never idle")
		}

		if c := r.pool.Counts(); c.Held != 1 {
			r.Errorf("counts %+v", c)
		}

		r.want("processing/old")

		if err := lock.Close(); err != nil {
			r.Fatal(err)
		}

		r.pass(20 * time.Second)
		r.want("done/old")
		r.stops()
	})
}

// TestOldHandlerOfWhichNothingIsKnown is one whose daemon died before it had
// written the process down. It is found by the lock that it holds.
func TestOldHandlerOfWhichNothingIsKnown(t *testing.T) {
	dir := t.TempDir()
	ended := leaveHandler(t, dir, "old", `trap 'echo asked > asked; exit 0' TERM; echo; while :; do read x <&3; done`,
		func(*spool.Spool, *os.File, int) error { return nil })

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir)
		r.start()
		<-ended
		r.said(1, "old handler lives", "old")
		r.pass(1100 * time.Millisecond)
		r.said(1, "old handler gone")
		r.want("done/old")
		r.runs("old", 1)
		r.stops()

		if text, err := os.ReadFile(dir + "/asked"); err != nil || string(text) != "asked\n" {
			r.Errorf("%q, %v", text, err)
		}
	})
}

// TestOldHandlerInASessionOfItsOwn leaves its process group and does not listen.
func TestOldHandlerInASessionOfItsOwn(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("needs the program setsid")
	}

	dir := t.TempDir()
	ended := oldHandler(t, dir, "old", `
		setsid sh -c 'trap "" TERM; echo; exec 1>&-; while :; do read x <&3; done' & wait`)

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir)
		r.start()
		<-ended
		r.pass(9500 * time.Millisecond)
		r.want("processing/old")
		r.runs("old", 0)

		// Its end takes time that does not pass in the bubble.
		deadline := time.Now().Add(time.Hour)
		for len(r.names(job.DoneFolder)) == 0 && time.Now().Before(deadline) {
			r.pass(time.Second)
		}

		r.want("done/old")
		r.runs("old", 1)
		r.stops()
	})
}

func TestOldHandlerThatTidiesUp(t *testing.T) {
	dir := t.TempDir()
	ended := oldHandler(t, dir, "old", `trap 'rm processing/old; exit 0' TERM; echo; while :; do read x <&3; done`)

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir)
		r.start()
		<-ended
		r.pass(30 * time.Second)
		r.want()
		r.runs("old", 0)
		r.stops()
	})
}

func TestOldHandlerOfADeferredJob(t *testing.T) {
	dir := t.TempDir()
	ended := oldHandler(t, dir, "old", `trap '' TERM; echo; while :; do read x <&3; done`)

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir)
		r.drop(job.DeferredFolder, "old", "first")

		if err := os.Remove(r.disk.Path(job.ProcessingFolder, "old")); err != nil {
			r.Fatal(err)
		}

		r.inbox("old")
		r.start()
		r.pass(9500 * time.Millisecond)
		r.want("inbox/old", "deferred/old")
		r.pass(time.Second)
		<-ended
		r.pass(20 * time.Second)
		r.runs("old", 2)

		if r.text(job.DoneFolder, "old") != "first" {
			r.Errorf("files %v", r.files())
		}

		r.stops()
	})
}
