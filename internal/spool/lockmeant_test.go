package spool_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"importerd/internal/job"
)

// leader returns a process that leads a group, as handlers do, and has no lock.
func leader(t *testing.T) int {
	t.Helper()

	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "/bin/sh", "-c", "echo; read x; true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	in, err := cmd.StdinPipe()
	check(t, err)

	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())

	t.Cleanup(func() {
		_ = in.Close()

		if err := cmd.Wait(); err != nil {
			t.Errorf("a process that is none of ours has ended by %v", err)
		}
	})

	_, err = out.Read(make([]byte, 1))
	check(t, err)

	return cmd.Process.Pid
}

// In a container a daemon has noted a number that means another process outside, which
// lives since long before. It must be neither waited for nor signalled.
func TestProcessFromBeforeTheLockIsNotTheHandler(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()
	stranger := leader(t)
	<-time.After(50 * time.Millisecond) // some ticks of the clock by which processes are known

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)
	check(t, s.NoteProcess(lock, stranger))
	check(t, lock.Close())

	if s.Alive(id) {
		t.Error("a process that was there before the lock is taken for the handler")
	}

	s.SignalHandlers([]job.ID{id}, syscall.SIGKILL)

	if old, err := s.OldHandlers(); err != nil || len(old) > 0 {
		t.Errorf("old handlers: %+v, %v", old, err)
	}
}

// Earlier versions have noted when the process was started.
func TestNoteOfAnEarlierVersionMeansItsProcess(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)

	pid := leader(t)
	check(t, s.NoteProcess(lock, pid))

	text, err := os.ReadFile(lock.Name())
	check(t, err)

	var note map[string]any

	check(t, json.Unmarshal(text, &note))
	delete(note, "since")

	for wrong, want := range []bool{true, false} {
		note["start"] = started(t, pid) + uint64(wrong)
		text, err = json.Marshal(note)
		check(t, err)
		write(t, lock.Name(), string(text))

		if s.Alive(id) != want {
			t.Errorf("noted %d ticks too late: alive is %t", wrong, !want)
		}
	}
}

// A crash between the rename of a lock file that is used again and the writing leaves what
// was said of the job before.
func TestLockFileThatTellsOfAnotherJobSaysNothing(t *testing.T) {
	t.Parallel()

	s, before, id := open(t), job.NewID(), job.NewID()

	lock, err := s.LockJob(before, "before.csv")
	check(t, err)
	check(t, s.NoteProcess(lock, leader(t)))

	if !s.Alive(before) {
		t.Error("the process that was noted is another one")
	}

	check(t, os.Rename(lock.Name(), s.Path(job.OwnFolder, "locks/"+id.String())))

	old, err := s.OldHandlers()
	check(t, err)

	if len(old) != 1 || old[0].Job != id || old[0].Name != "" || old[0].PID != 0 || old[0].Alive {
		t.Errorf("old handlers: %+v", old)
	}

	check(t, lock.Close())

	if old, err := s.OldHandlers(); err != nil || len(old) > 0 {
		t.Errorf("when nobody has the lock: %+v, %v", old, err)
	}

	if !s.Begun(id) {
		t.Error("an attempt of which nothing is known has not begun")
	}
}

// started returns when a process was started, in clock ticks since the boot.
func started(t *testing.T, pid int) uint64 {
	t.Helper()

	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	check(t, err)

	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	ticks, err := strconv.ParseUint(fields[19], 10, 64)
	check(t, err)

	return ticks
}

// The file of a lock that was given back may be given to another job at any moment, also
// while it is looked at for its own.
func TestLockFileIsGivenAwayWhileItIsLookedAt(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()
	locks := s.Path(job.OwnFolder, "locks/")
	own, other := locks+id.String(), locks+job.NewID().String()
	start, moved := make(chan struct{}), make(chan struct{})

	go func() {
		for range start {
			_ = os.Rename(own, other) // or it was removed before
			moved <- struct{}{}
		}
	}()

	defer close(start)

	for range 2_000 {
		write(t, own, "")

		start <- struct{}{}

		gone := s.HandlerGone(id)

		<-moved

		if !gone {
			t.Fatal("nobody has the lock, and its file is gone")
		}
	}
}
