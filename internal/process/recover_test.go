package process_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/job"
	"importerd/internal/process"
	"importerd/internal/spool"
)

func TestRecovery(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.ProcessingFolder, "p", "p")
		r.drop(job.ProcessingFolder, "both", "processing")
		r.drop(job.DeferredFolder, "d", "d")
		r.drop(job.DeferredFolder, "both", "deferred")

		for _, folder := range []job.Folder{job.ProcessingFolder, job.DeferredFolder} {
			if err := os.Mkdir(r.disk.Path(folder, "dir"), 0o700); err != nil {
				r.Fatal(err)
			}
		}

		if err := os.Symlink("/etc/passwd", r.disk.Path(job.ProcessingFolder, "link")); err != nil {
			r.Fatal(err)
		}

		r.start()
		r.pass(time.Minute)
		r.said(2, "job interrupted")
		r.order("move processing/p to deferred/p", "sync [processing deferred]", "job interrupted", "run p attempt 1")
		r.said(4, "job done")
		r.said(2, "not a file")

		if got := r.names(job.DoneFolder); len(got) != 4 {
			r.Errorf("files %v", r.files())
		}

		if got := r.names(job.DeferredFolder); len(got) != 1 || got[0] != "dir" {
			r.Errorf("files %v", r.files())
		}

		r.runs("both", 2)
		r.stops()
	})
}

func TestRecoverAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		for _, name := range []string{"a", "b", "c"} {
			r.drop(job.ProcessingFolder, name, name)
			r.drop(job.DeferredFolder, "d"+name, name)
		}

		pool := r.build()

		for range 2 { // of one pool, in which it fails in the middle
			moves := 0

			r.disk.breaks(func(call string) error {
				if strings.HasPrefix(call, "move") {
					moves++
				}

				if moves >= 2 {
					return job.ErrDisk
				}

				return nil
			})

			if err := pool.Recover(r.Context(), process.Past{Fresh: true}); !errors.Is(err, job.ErrDisk) {
				r.Errorf("Recover: %v", err)
			}
		}

		r.disk.breaks(nil)

		for range 2 { // well, also twice
			if err := pool.Recover(r.Context(), process.Past{Fresh: true}); err != nil {
				r.Errorf("Recover: %v", err)
			}
		}

		stages := r.stages
		ended := make(chan error, 1)

		go func() { ended <- pool.Run(stages.Intake(), r.Context()) }()

		r.pass(time.Minute)
		stages.Signal()

		if err := <-ended; err != nil {
			r.Errorf("Run: %v", err)
		}

		r.want("done/a", "done/b", "done/c", "done/da", "done/db", "done/dc")

		if got := len(r.book.with("run ")); got != 6 {
			r.Errorf("%d runs", got)
		}
	})
}

func TestRecoverIsCutOff(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.ProcessingFolder, "a", "a")

		ctx, cancel := context.WithCancel(r.Context())
		cancel()

		if err := r.build().Recover(ctx, process.Past{Fresh: true}); !errors.Is(err, context.Canceled) {
			r.Errorf("Recover: %v", err)
		}

		r.want("processing/a")
	})
}

func TestFileThatGoesAwayDuringRecovery(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.ProcessingFolder, "a", "a")
		r.disk.breaks(func(call string) error {
			if strings.HasPrefix(call, "move processing/a") {
				return os.Remove(r.disk.Path(job.ProcessingFolder, "a"))
			}

			return nil
		})
		r.start()
		r.want()
		r.said(1, "job failed", "vanished")
		r.stops()
	})
}

// oldHandler starts a process that holds the lock of a job on the file name, as
// a handler of a daemon that has died. The channel is closed when the process has
// ended. Tests that do so must not run beside others: a process that is about to
// begin has copies of all locks, for a time that does not pass in a bubble.
func oldHandler(t *testing.T, dir, name, script string) <-chan struct{} {
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

	if err := s.NoteProcess(lock, child.Process.Pid); err != nil {
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

// TestOldHandlerThatCannotBeEnded is one in a session of its own, where it is not found.
func TestOldHandlerThatCannotBeEnded(t *testing.T) {
	dir := t.TempDir()
	ended := oldHandler(t, dir, "old", `setsid sh -c 'echo; exec 1>&-; read x <&3' & wait`)

	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dir)
		r.start()
		<-ended
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

		if err := os.WriteFile(dir+"/fifo", []byte("end\n"), 0o600); err != nil {
			r.Fatal(err)
		}

		deadline := time.Now().Add(time.Hour) // of the bubble
		for len(r.names(job.DoneFolder)) == 0 && time.Now().Before(deadline) {
			r.pass(time.Second)
		}

		r.want("done/old")
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

// TestFetchedJobWasNotInterrupted kills the daemon between the fetch of a
// deferred job and its next attempt: none was running that could have been
// interrupted, and no attempt is given back.
func TestFetchedJobWasNotInterrupted(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.ProcessingFolder, "f", "f")

		id := job.NewID()
		rec := job.Record{
			ID: id, Spool: "test", Name: "f", File: "f", State: job.Processing, Attempt: 1,
			CreatedAt: time.Now(), StartedAt: time.Now(),
			Moving: &job.Move{From: job.DeferredFolder, File: "f", To: job.ProcessingFolder, Name: "f", ID: id},
		}

		if err := r.ledger.Note(rec); err != nil {
			r.Fatal(err)
		}

		r.start()
		r.pass(time.Minute)
		r.said(0, "job interrupted")
		r.order("run f attempt 2", "job done")
		r.stops()
	})
}
