package spool_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// heir is a process that has inherited a lock. It ends when its input does.
type heir struct {
	cmd *exec.Cmd
	end func()
}

// inherit starts a process with the lock as descriptor 4.
func inherit(t *testing.T, lock *os.File, script string) heir {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	cmd.ExtraFiles = []*os.File{nil, lock}

	in, err := cmd.StdinPipe()
	check(t, err)

	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())

	if _, err := out.Read(make([]byte, 1)); err != nil { // it is ready
		t.Fatal(err)
	}

	return heir{cmd, func() {
		t.Helper()
		check(t, in.Close())
		check(t, cmd.Wait())
	}}
}

// gone waits until nothing of the attempt lives: what another test is just
// starting has our descriptors for a moment.
func gone(s *spool.Spool, id job.ID) bool {
	deadline := time.Now().Add(10 * time.Second)

	for time.Now().Before(deadline) {
		if s.HandlerGone(id) {
			return true
		}

		runtime.Gosched()
	}

	return false
}

func TestLockIsFreeWhenNobodyHasIt(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)

	if _, err := s.LockJob(id, "a.csv"); !errors.Is(err, job.ErrHeld) {
		t.Errorf("lock again: %v, want that it is held", err)
	}

	h := inherit(t, lock, "echo; read x; true")
	check(t, s.NoteProcess(lock, h.cmd.Process.Pid))

	if err := s.UnlockJob(id, lock); !errors.Is(err, job.ErrHeld) {
		t.Errorf("unlock while a process has it: %v, want that it is held", err)
	}

	if s.HandlerGone(id) {
		t.Error("the handler is gone, but it lives")
	}

	if _, err := s.LockJob(id, "a.csv"); !errors.Is(err, job.ErrHeld) {
		t.Errorf("lock while a process has it: %v, want that it is held", err)
	}

	h.end()

	for range 2 { // also when its file is gone already
		if !gone(s, id) {
			t.Error("the handler lives, but it is gone")
		}
	}

	if names := list(t, s.Path(job.OwnFolder, "locks")); len(names) > 0 {
		t.Errorf("locks/ holds %q", names)
	}

	lock, err = s.LockJob(id, "a.csv")
	check(t, err)
	check(t, s.UnlockJob(id, lock))
	check(t, s.Close())

	if names := list(t, s.Path(job.OwnFolder, "locks")); len(names) > 0 {
		t.Errorf("locks/ holds %q", names)
	}
}

// A lock file that is used again tells nothing of the job before, and is free for
// whoever looks at that.
func TestLockFileIsUsedAgain(t *testing.T) {
	t.Parallel()

	s, one, other := open(t), job.NewID(), job.NewID()

	lock, err := s.LockJob(one, "a long name.csv")
	check(t, err)

	h := inherit(t, lock, "echo; read x; true")
	check(t, s.NoteProcess(lock, h.cmd.Process.Pid))
	h.end()
	check(t, s.UnlockJob(one, lock))

	if old, err := s.OldHandlers(); err != nil || len(old) > 0 {
		t.Errorf("old handlers %v, %v", old, err)
	}

	for _, spoilt := range []bool{true, false} { // OldHandlers has removed the file
		lock, err = s.LockJob(other, "b")
		check(t, err)

		text, err := os.ReadFile(lock.Name())
		check(t, err)

		if name, pid := spool.NameInLock(text); name != "b" || pid != 0 {
			t.Errorf("the lock tells of %q and process %d (%t)", name, pid, spoilt)
		}

		if names := list(t, s.Path(job.OwnFolder, "locks")); len(names) != 1 || names[0] != other.String() {
			t.Errorf("locks/ holds %q (%t)", names, spoilt)
		}

		if _, err := s.LockJob(other, "b"); !errors.Is(err, job.ErrHeld) {
			t.Errorf("lock again: %v (%t)", err, spoilt)
		}

		check(t, s.UnlockJob(other, lock))
		other = job.NewID()
	}
}

func TestOldHandlersAreFoundAfterACrash(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	s := openAt(t, dir)
	ids := []job.ID{job.NewID(), job.NewID(), job.NewID(), job.NewID()}
	held, closed, unknown := ids[0], ids[1], ids[2] // and one that is free

	locks := map[job.ID]*os.File{}

	for i, id := range ids {
		lock, err := s.LockJob(id, []string{"held", "bad\xff", "unknown", "free"}[i])
		check(t, err)

		locks[id] = lock
	}

	holds := inherit(t, locks[held], "echo; read x; true")
	check(t, s.NoteProcess(locks[held], holds.cmd.Process.Pid))

	// It has closed its descriptor, as sudo and ssh do, and lives.
	closes := inherit(t, locks[closed], "exec 4>&-; echo; read x; true")
	check(t, s.NoteProcess(locks[closed], closes.cmd.Process.Pid))

	// The daemon died before it had noted the process.
	inherits := inherit(t, locks[unknown], "echo; read x; true")

	for _, lock := range locks {
		check(t, lock.Close())
	}

	check(t, s.Close())
	write(t, filepath.Join(dir, ".importerd", "locks", "stray"), "none of ours")

	s = openAt(t, dir)
	old, err := s.OldHandlers()
	check(t, err)

	want := map[job.ID]job.OldHandler{
		held:    {Job: held, Name: "held", PID: holds.cmd.Process.Pid, Alive: true},
		closed:  {Job: closed, Name: "bad\xff", PID: closes.cmd.Process.Pid, Alive: true},
		unknown: {Job: unknown, Name: "unknown"},
	}
	holder := map[job.ID]int{held: holds.cmd.Process.Pid, unknown: inherits.cmd.Process.Pid}

	for _, h := range old {
		if pid := holder[h.Job]; pid != 0 && !holdsLock(h, pid) {
			t.Errorf("found %+v, want process %d among its holders", h, pid)
		}

		h.Holders = nil
		if !reflect.DeepEqual(h, want[h.Job]) {
			t.Errorf("found %+v, want %+v", h, want[h.Job])
		}
	}

	if len(old) != len(want) {
		t.Errorf("found %d, want %d", len(old), len(want))
	}

	if _, err := s.LockJob(closed, "bad\xff"); !errors.Is(err, job.ErrHeld) {
		t.Errorf("lock of a process that lives: %v, want that it is held", err)
	}

	holds.end()
	closes.end()
	inherits.end()

	for _, id := range ids {
		if !gone(s, id) {
			t.Errorf("the handler of %s lives", id)
		}
	}

	if old, err := s.OldHandlers(); err != nil || len(old) > 0 {
		t.Errorf("then there are %v, %v", old, err)
	}
}

// A number that was given to another process must not be signalled.
func TestAnotherProcessOfThatNumberIsNotAlive(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	s, id := openAt(t, dir), job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)

	h := inherit(t, lock, "echo; read x; true")
	defer h.end()

	check(t, s.NoteProcess(lock, h.cmd.Process.Pid))

	path := lock.Name()

	text, err := os.ReadFile(path)
	check(t, err)

	// Nobody may ever signal the first process, whatever is written.
	check(t, s.NoteProcess(lock, 1))
	check(t, lock.Close())

	if old, err := s.OldHandlers(); err != nil || len(old) != 1 || old[0].Alive {
		t.Errorf("with the first process: %+v, %v", old, err)
	}

	for _, key := range []string{"start", "boot", "pid"} {
		var note map[string]any

		check(t, json.Unmarshal(text, &note))

		if key == "boot" {
			note[key] = "another"
		} else {
			note[key] = 1
		}

		changed, err := json.Marshal(note)
		check(t, err)
		write(t, path, string(changed))

		old, err := s.OldHandlers()
		if err != nil || len(old) != 1 || old[0].Alive {
			t.Errorf("with another %s: %+v, %v", key, old, err)
		}
	}
}

func TestEndedProcessIsNotAlive(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)

	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "read x; true")
	in, err := cmd.StdinPipe()
	check(t, err)
	check(t, cmd.Start())
	check(t, s.NoteProcess(lock, cmd.Process.Pid))
	check(t, lock.Close())

	if s.HandlerGone(id) {
		t.Error("a process that lives is gone")
	}

	check(t, in.Close())

	if !gone(s, id) {
		t.Error("a process that has ended and was not waited for is alive")
	}

	check(t, cmd.Wait())

	lock, err = s.LockJob(id, "a.csv")
	check(t, err)

	check(t, s.NoteProcess(lock, cmd.Process.Pid))

	text, err := os.ReadFile(lock.Name())
	check(t, err)

	if _, pid := spool.NameInLock(text); pid != cmd.Process.Pid { // or the attempt would seem not begun
		t.Errorf("the lock of a process that is gone tells of process %d", pid)
	}

	if check(t, lock.Close()); !gone(s, id) {
		t.Error("a process that is gone is alive")
	}
}

// What is noted without asking /proc goes with what /proc tells.
func TestStartIsNotedSoThatTheProcessIsKnown(t *testing.T) {
	t.Parallel()

	s := open(t)

	for range 20 {
		id := job.NewID()

		lock, err := s.LockJob(id, "a.csv")
		check(t, err)

		h := inherit(t, lock, "echo; read x; true")
		check(t, s.NoteProcess(lock, h.cmd.Process.Pid))

		if !s.Alive(id) {
			t.Error("the process that was noted is another one")
		}

		h.end()

		if err := s.UnlockJob(id, lock); err != nil {
			t.Errorf("unlock: %v", err)
		}
	}
}

// Another goroutine's child has our descriptors for a moment after its fork.
// That must not look like an old handler.
func TestUnlockWhileOthersStartProcesses(t *testing.T) {
	t.Parallel()

	const rounds = 100

	s := open(t)
	stop, stopped := make(chan struct{}), make(chan struct{})

	go func() {
		defer close(stopped)

		for {
			select {
			case <-stop:
				return
			default:
				_ = exec.CommandContext(t.Context(), "/bin/true").Run()
			}
		}
	}()

	for range rounds {
		id := job.NewID()

		lock, err := s.LockJob(id, "a.csv")
		check(t, err)

		if err := s.UnlockJob(id, lock); err != nil {
			t.Errorf("unlock: %v", err)
		}
	}

	close(stop)
	<-stopped
}

// On a busy machine a start may take long. It is waited for, and for no longer.
func TestUnlockWaitsForAStart(t *testing.T) {
	t.Parallel()

	s := open(t)
	id := job.NewID()

	lock, err := s.LockJob(id, "a.csv")
	check(t, err)

	syscall.ForkLock.Lock() // as the runtime has it from fork to exec

	copied, err := unix.Dup(int(lock.Fd()))
	check(t, err)

	time.AfterFunc(300*time.Millisecond, func() {
		_ = unix.Close(copied)

		syscall.ForkLock.Unlock()
	})

	check(t, s.UnlockJob(id, lock))
}

// samples are lock files of all versions that were ever written.
func samples() map[string]string {
	return map[string]string{
		`{"job":"0195e3a0-0000-7000-8000-000000000000","name":"a.csv","pid":42,"start":7,"boot":"b"}` + "\n": "a.csv",
		`{"job":"0195e3a0-0000-7000-8000-000000000000","name":"a\ufffd","name_b64":"Yf8="}` + "\n":           "a\xff",
	}
}

func TestOldLockFilesAreRead(t *testing.T) {
	t.Parallel()

	for text, want := range samples() {
		if name, _ := spool.NameInLock([]byte(text)); name != want {
			t.Errorf("%s tells the name %q, want %q", text, name, want)
		}
	}
}

func FuzzLockFile(f *testing.F) {
	for text := range samples() {
		f.Add(text)
	}

	f.Add("")
	f.Add(`{"name":"a"}{"name":"b`)

	f.Fuzz(func(t *testing.T, text string) {
		name, pid := spool.NameInLock([]byte(text))
		if !strings.HasPrefix(strings.TrimSpace(text), "{") && (name != "" || pid != 0) {
			t.Errorf("%q tells of %q and process %d", text, name, pid)
		}

		// Whatever bytes a name has come back.
		id := job.NewID()

		written := spool.LockText(id, text)
		if got, pid := spool.NameInLock(written); got != text || pid != 0 {
			t.Errorf("%q became %q", text, got)
		}

		if !utf8.Valid(written) || !json.Valid(written) {
			t.Errorf("%q is no JSON", written)
		}
	})
}

// TestLockWorker: the lock of a worker is one like all others, and says what it is.
func TestLockWorker(t *testing.T) {
	t.Parallel()

	s := open(t)
	id := job.NewID()

	lock, err := s.LockWorker(id)
	check(t, err)

	process := inherit(t, lock, "echo; read line; true")
	check(t, s.NoteProcess(lock, process.cmd.Process.Pid))
	check(t, lock.Close())

	old, err := s.OldHandlers()
	check(t, err)

	if len(old) != 1 || !old[0].Worker || old[0].Job != id || old[0].Name != "" || !old[0].Alive {
		t.Errorf("old handlers %+v", old)
	}

	if s.HandlerGone(id) {
		t.Error("gone while it lives")
	}

	process.end()

	if !gone(s, id) {
		t.Error("not gone")
	}
}

// TestLockFileOfAnEarlierAttempt: the lock file of a job that is tried again is not given
// to another job as well, while the second attempt has it.
func TestLockFileOfAnEarlierAttempt(t *testing.T) {
	t.Parallel()

	s := open(t)
	a, b, c := job.NewID(), job.NewID(), job.NewID()

	var locks []*os.File

	take := func(id job.ID) {
		lock, err := s.LockJob(id, "x")
		check(t, err)

		locks = append(locks, lock)
	}
	giveAll := func(ids ...job.ID) {
		for i, id := range ids {
			check(t, s.UnlockJob(id, locks[i]))
		}

		locks = nil
	}

	take(a)
	take(b)
	giveAll(a, b)
	take(a) // while the file of b waits to be used again, too
	take(b)
	take(c)

	for i, id := range []job.ID{a, b, c} {
		held, err := os.Stat(s.Path(job.OwnFolder, "locks/"+id.String()))
		check(t, err)

		ours, err := locks[i].Stat()
		check(t, err)

		if !os.SameFile(held, ours) {
			t.Errorf("lock %d is not what its name means", i)
		}
	}

	giveAll(a, b, c)
}
