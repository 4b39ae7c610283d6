package spool_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// None of the tests here that signal runs beside others: what another test is
// just starting has our locks for a moment.

// die is a daemon that is killed as soon as it has started a handler, before it
// has written down which process that is.
func die(dir string) int {
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)

		return 1
	}

	lock, err := s.LockJob(job.NewID(), "a.csv")
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)

		return 1
	}

	_, err = syscall.ForkExec("/bin/sh", []string{"sh", "-c", "echo $$ >started; mv started pid; exec sleep 1000"},
		&syscall.ProcAttr{Dir: dir, Files: []uintptr{0, 0, 0, 0, lock.Fd()}, Sys: &syscall.SysProcAttr{Setpgid: true}})
	if err == nil {
		err = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}

	runtime.KeepAlive(lock)

	_, _ = fmt.Fprintln(os.Stdout, err)

	return 1
}

// holdsLock says whether the process is among the holders.
func holdsLock(h job.OldHandler, pid int) bool {
	return slices.ContainsFunc(h.Holders, func(p job.Process) bool { return p.PID == pid })
}

// number waits for a file with the number of a process in it.
func number(t *testing.T, path string) int {
	t.Helper()

	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); runtime.Gosched() {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}

		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		check(t, err)

		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })

		return pid
	}

	t.Fatalf("no process in %s", path)

	return 0
}

// ended says whether a process ends soon.
func ended(pid int) bool {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); runtime.Gosched() {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return true
		}
	}

	return false
}

func TestHandlerOfADaemonThatDiedBeforeItsNote(t *testing.T) {
	dir := t.TempDir()

	daemon := exec.CommandContext(t.Context(), os.Args[0], "die", dir)
	if out, err := daemon.CombinedOutput(); daemon.ProcessState.Exited() {
		t.Fatalf("the daemon: %v: %s", err, out)
	}

	pid := number(t, filepath.Join(dir, "pid"))

	in, err := spool.Inspect(dir, spool.Options{})
	check(t, err)

	old, stale, err := in.Attempts()
	if err != nil || len(old) != 1 || len(stale) > 0 || !holdsLock(old[0], pid) || old[0].Process() != pid {
		t.Errorf("attempts: %+v, %v, %v; want process %d", old, stale, err, pid)
	}

	check(t, in.Close())

	s := openAt(t, dir)

	old, err = s.OldHandlers()
	if err != nil || len(old) != 1 || old[0].PID != 0 || old[0].Alive || !holdsLock(old[0], pid) {
		t.Fatalf("old handlers: %+v, %v; want process %d as a holder", old, err, pid)
	}

	id := old[0].Job
	s.SignalHandlers([]job.ID{id}, syscall.SIGTERM)

	if !ended(pid) || !gone(s, id) {
		t.Error("the handler lives on")
	}

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)
	check(t, s.UnlockJob(id, lock))
}

// leave starts a script with the lock of a job, in a group of its own, and
// gives up our hold of the lock.
func leave(t *testing.T, s *spool.Spool, script string) (job.ID, *exec.Cmd) {
	t.Helper()

	id := job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)

	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	cmd.Dir, cmd.ExtraFiles, cmd.SysProcAttr = s.Dir(), []*os.File{nil, lock}, &syscall.SysProcAttr{Setpgid: true}
	check(t, cmd.Start())
	check(t, s.NoteProcess(lock, cmd.Process.Pid))
	check(t, lock.Close())

	return id, cmd
}

// A child in a session of its own is found by the lock, and its own child, which
// has closed the lock, by the group.
func TestHandlerInAnotherSessionIsEnded(t *testing.T) {
	need(t, "setsid")

	s := open(t)
	id, cmd := leave(t, s, `
		setsid sh -c '
			sh -c "exec 4>&-; echo \$\$ >b; mv b closed; exec sleep 1000" &
			trap "" TERM; echo $$ >a; mv a session; while :; do sleep 1000; done' &
		echo $$ >c; mv c main
		wait`)

	var pids []int
	for _, name := range []string{"main", "session", "closed"} {
		pids = append(pids, number(t, filepath.Join(s.Dir(), name)))
	}

	s.SignalHandlers([]job.ID{id}, syscall.SIGTERM, syscall.SIGCONT)

	_ = cmd.Wait()

	if !ended(pids[0]) || !ended(pids[2]) {
		t.Error("one that listens lives on")
	}

	if s.HandlerGone(id) {
		t.Error("it is gone, but one of it does not listen")
	}

	for deadline := time.Now().Add(time.Minute); !s.HandlerGone(id) && time.Now().Before(deadline); {
		s.SignalHandlers([]job.ID{id}, syscall.SIGKILL)
	}

	if !ended(pids[1]) || !s.HandlerGone(id) {
		t.Error("the child in another session lives on")
	}
}

// A holder that does not lead its group is signalled alone: the group is
// somebody else's, here ours.
func TestHolderWithinAnotherGroupIsSignalledAlone(t *testing.T) {
	s, id := open(t), job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)

	h := inherit(t, lock, "echo; exec sleep 1000")
	check(t, lock.Close())
	s.SignalHandlers([]job.ID{id}, syscall.SIGTERM)

	if err := h.cmd.Wait(); err == nil || h.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", err)
	}
}

// Who only looks into the file of a lock has nothing to do with the attempt, and
// we ourselves are never meant.
func TestWhoIsNoHolderIsNotSignalled(t *testing.T) {
	s, id := open(t), job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)

	reader, err := os.Open(lock.Name())
	check(t, err)

	looks := inherit(t, reader, "echo; read x; true") // as descriptor 4, but not locked
	check(t, reader.Close())

	if holders := s.Holders(id); len(holders) > 0 {
		t.Errorf("holders are %v", holders)
	}

	s.SignalHandlers([]job.ID{id}, syscall.SIGKILL)
	looks.end()
	check(t, s.UnlockJob(id, lock))
	s.SignalHandlers([]job.ID{id, job.NewID()}, syscall.SIGKILL)
	s.SignalHandlers(nil, syscall.SIGKILL)
}

// The number of a holder may have become another process's.
func TestHolderOfAnotherStartIsNotSignalled(t *testing.T) {
	s, id := open(t), job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)

	h := inherit(t, lock, "echo; read x; true")
	check(t, lock.Close())

	holders := s.Holders(id)
	if len(holders) != 1 || holders[0].PID != h.cmd.Process.Pid || holders[0].Start == 0 {
		t.Fatalf("holders are %+v, want process %d", holders, h.cmd.Process.Pid)
	}

	other := holders[0]
	other.Start++
	spool.SignalHolder(other, syscall.SIGKILL)
	h.end() // it has not been killed

	spool.SignalHolder(holders[0], syscall.SIGKILL)
}

func TestFdinfoTellsOfLocks(t *testing.T) {
	t.Parallel()

	const start = "pos:\t0\nflags:\t0100000\nmnt_id:\t29\nino:\t7\n"

	for line, want := range map[string]bool{
		"": false,
		"lock:\t1: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF\n": true,
		"lock:\t1: FLOCK  ADVISORY  WRITE -1 00:13:11691 0 EOF":    true,
		"lock:\t1: LEASE  ACTIVE    READ 359 00:13:11691 0 EOF\n":  false,
		"lock:\t1: POSIX  ADVISORY  WRITE 359 00:13:11691 0 0\n":   false,
		"lock:\t1: LEASE  ACTIVE    READ 359 00:13:11691 0 EOF\n" +
			"lock:\t2: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF\n": true,
	} {
		if spool.IsLocked(start+line) != want {
			t.Errorf("%q: %t", line, !want)
		}
	}
}

// TestChildThatOutlivesTheNotedProcess: what a handler has started and left behind in its
// group lives on as a part of the attempt, although it has closed the lock.
func TestChildThatOutlivesTheNotedProcess(t *testing.T) {
	t.Parallel()

	s := open(t)
	id := job.NewID()

	lock, err := s.LockJob(id, "a")
	check(t, err)

	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `sleep 1000 >/dev/null & echo; exec cat`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "IMPORTERD_JOB_SPOOL=s")

	in, err := cmd.StdinPipe()
	check(t, err)

	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())

	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}

	check(t, s.NoteProcess(lock, cmd.Process.Pid))
	check(t, in.Close())
	check(t, cmd.Wait())
	check(t, lock.Close()) // as the end of a daemon does

	if s.HandlerGone(id) {
		t.Fatal("the attempt is over while a child of it lives")
	}

	s.SignalHandlers([]job.ID{id}, syscall.SIGKILL)

	if !gone(s, id) {
		t.Error("the child lives on")
	}
}
