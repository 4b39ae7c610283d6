package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// attempt is a run that goes on beside the test.
type attempt struct {
	task   handler.Task
	pid    int           // of the main process
	words  chan string   // the checkpoints reported, but the first
	word   string        // the first checkpoint reported
	kill   chan struct{} // closed by the test
	cancel context.CancelCauseFunc
	ended  chan job.Exit // the run sends one
}

// begin starts a script and returns when it has reported a checkpoint.
func begin(t *testing.T, c Config) *attempt {
	t.Helper()

	a := &attempt{
		task: newTask(t, "a.csv"), words: make(chan string, 100), kill: make(chan struct{}), ended: make(chan job.Exit, 1),
	}
	a.task.Kill = a.kill
	a.task.Started = func(pid int) { a.pid = pid }
	a.task.Report = func(r handler.Report) {
		if r.Checkpoint != nil {
			a.words <- *r.Checkpoint
		}
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	a.cancel = cancel
	h := newHandler(t, c)

	go func() { a.ended <- h.Run(ctx, a.task) }()

	a.word = a.next(t)

	return a
}

// next returns the next checkpoint reported.
func (a *attempt) next(t *testing.T) string {
	t.Helper()

	select {
	case word := <-a.words:
		return word
	default:
	}

	select {
	case word := <-a.words:
		return word
	case exit := <-a.ended:
		a.ended <- exit

		if len(a.words) == 0 {
			t.Fatalf("ended without a report: %+v %s", exit, exit.Tail)
		}
	case <-time.After(longWait):
		t.Fatal("no report")
	}

	return <-a.words
}

func (a *attempt) end(t *testing.T) job.Exit {
	t.Helper()

	select {
	case exit := <-a.ended:
		return exit
	case <-time.After(2 * longWait):
		t.Fatal("the run does not end")

		return job.Exit{}
	}
}

// state returns the letter that the kernel gives for the state of a process;
// X if there is none.
func state(t *testing.T, pid string) string {
	t.Helper()

	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return "X"
	}

	if err != nil {
		t.Fatal(err)
	}

	return strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[0]
}

// eventually waits until what holds.
func eventually(t *testing.T, what string, holds func() bool) {
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

func isDead(t *testing.T, pid string) bool {
	t.Helper()

	s := state(t, pid)

	return s == "X" || s == "Z"
}

// patient sleeps in a loop that a signal can interrupt.
const patient = "while :; do sleep 0.05; done"

func TestTimeoutIgnored(t *testing.T) {
	t.Parallel()

	c := shell(t, `trap "" TERM; sleep 1000 & echo "checkpoint $!" >&3; `+patient)
	c.KillAfter = 100 * time.Millisecond

	a := begin(t, c)
	asked := time.Now()
	a.cancel(handler.ErrTimeout)

	exit := a.end(t)
	if exit.Signal != "SIGKILL" || exit.Code != -1 || exit.Err != nil {
		t.Errorf("exit %+v, want SIGKILL", exit)
	}

	if took := time.Since(asked); took < c.KillAfter {
		t.Errorf("killed after %s, want at least %s", took, c.KillAfter)
	}

	if !isDead(t, a.word) {
		t.Error("a child lives on")
	}
}

func TestTimeoutObeyed(t *testing.T) {
	t.Parallel()

	for _, code := range []int{0, 75} {
		a := begin(t, shell(t, fmt.Sprintf(`trap "exit %d" TERM; echo "checkpoint ready" >&3; %s`, code, patient)))
		a.cancel(handler.ErrTimeout)

		if exit := a.end(t); exit.Code != code || exit.Signal != "" || exit.Err != nil {
			t.Errorf("exit %+v, want %d", exit, code)
		}
	}
}

func TestTimeoutByDefault(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `echo "checkpoint ready" >&3; `+patient))
	a.cancel(handler.ErrStop)

	if exit := a.end(t); exit.Signal != "SIGTERM" || exit.Code != -1 {
		t.Errorf("exit %+v, want SIGTERM", exit)
	}
}

func TestWholeGroupIsAsked(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `
		trap : TERM
		sh -c 'trap "echo child was asked; exit" TERM; echo "checkpoint $$" >&3; `+patient+`' &
		wait; wait; exit 5`))
	a.cancel(handler.ErrStop)

	exit := a.end(t)
	if log := readLog(t, a.task); exit.Code != 5 || !strings.Contains(log, "child was asked\n") {
		t.Errorf("exit %+v, log %q", exit, log)
	}
}

func TestStoppedIsWoken(t *testing.T) {
	t.Parallel()

	c := shell(t, `echo "checkpoint $$" >&3; kill -STOP $$; echo went on`)
	c.KillAfter = longWait

	a := begin(t, c)
	eventually(t, "stopped", func() bool { return state(t, a.word) == "T" })
	a.cancel(handler.ErrStop)

	exit := a.end(t)
	if log := readLog(t, a.task); exit.Signal != "SIGTERM" || log != "" {
		t.Errorf("exit %+v, log %q, want SIGTERM before any more work", exit, log)
	}
}

func TestKillAtOnce(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `trap "" TERM; sleep 1000 & echo "checkpoint $!" >&3; `+patient))
	close(a.kill)

	if exit := a.end(t); exit.Signal != "SIGKILL" {
		t.Errorf("exit %+v, want SIGKILL", exit)
	}

	if !isDead(t, a.word) {
		t.Error("a child lives on")
	}
}

func TestKillDuringGrace(t *testing.T) {
	t.Parallel()

	c := shell(t, `trap "echo checkpoint asked >&3" TERM; echo "checkpoint ready" >&3; `+patient)
	c.KillAfter = 24 * time.Hour

	a := begin(t, c)
	a.cancel(handler.ErrTimeout)
	a.next(t)
	close(a.kill)

	if exit := a.end(t); exit.Signal != "SIGKILL" {
		t.Errorf("exit %+v, want SIGKILL", exit)
	}
}

func TestKillStopped(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `echo "checkpoint $$" >&3; kill -STOP $$`))
	eventually(t, "stopped", func() bool { return state(t, a.word) == "T" })
	close(a.kill)

	if exit := a.end(t); exit.Signal != "SIGKILL" {
		t.Errorf("exit %+v, want SIGKILL", exit)
	}
}

// A child in the background holds output and reports open: the outcome does
// not wait for it, and it is ended.
func TestBackgroundChild(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `trap "" TERM HUP; sleep 1000 & echo "checkpoint $!" >&3; echo said; exit 3`))

	exit := a.end(t)
	if log := readLog(t, a.task); exit.Code != 3 || log != "said\n" || string(exit.Tail) != "said\n" {
		t.Errorf("exit %+v, log %q", exit, log)
	}

	if !isDead(t, a.word) {
		t.Error("the child lives on")
	}
}

// A grandchild in a session of its own escapes us; the outcome does not wait
// for it even if it never stops writing.
func TestEscapedGrandchild(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	a := begin(t, shell(t, `
		mkfifo told
		setsid sh -c 'echo $$ >told; exec yes' &
		read pid <told; echo "checkpoint $pid" >&3; exit 4`))

	pid, err := strconv.Atoi(a.word)
	if err != nil {
		t.Fatal(err)
	}

	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()

	if exit := a.end(t); exit.Code != 4 || exit.Signal != "" || exit.Err != nil {
		t.Errorf("exit %+v, want 4", exit)
	}
}

func TestEscapedGrandchildThatIsSilent(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	a := begin(t, shell(t, `
		mkfifo told
		setsid sh -c 'echo $$ >told; exec sleep 1000' &
		read pid <told; echo "checkpoint $pid" >&3; echo last words; echo "retry-after 7" >&3; exit 4`))

	pid, err := strconv.Atoi(a.word)
	if err != nil {
		t.Fatal(err)
	}

	exit := a.end(t)
	if isDead(t, a.word) {
		t.Error("the outcome waited for the grandchild")
	}

	_ = syscall.Kill(pid, syscall.SIGKILL)

	log := readLog(t, a.task)
	if exit.Code != 4 || log != "last words\n" || exit.RetryAfter != 7*time.Second {
		t.Errorf("exit %+v, log %q", exit, log)
	}
}

func TestOwnProcessGroup(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `echo "checkpoint $(ps -o pgid= -p $$) $$" >&3`))
	a.end(t)

	if want := fmt.Sprintf("%d %d", a.pid, a.pid); strings.Join(strings.Fields(a.word), " ") != want {
		t.Errorf("group and pid %s, started was told %d", a.word, a.pid)
	}
}

// What the daemon was started with by a careless parent, or opened carelessly,
// stays with the daemon.
func TestDescriptors(t *testing.T) {
	t.Parallel()

	lock, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()

	careless, err := unix.Dup(int(lock.Fd())) // not closed by exec
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(careless) }()

	link := regexp.MustCompile(`\d+ -> .*`)

	for _, lock := range []*os.File{lock, nil} {
		task := newTask(t, "a.csv")
		task.Lock = lock

		exit := newHandler(t, shell(t, "exec ls -l /proc/self/fd")).Run(t.Context(), task)
		if exit.Code != 0 {
			t.Fatalf("exit %+v", exit)
		}

		var got []string

		for line := range strings.Lines(readLog(t, task)) {
			if link := link.FindString(line); link != "" && !strings.Contains(link, "/proc/") {
				got = append(got, link)
			}
		}

		if lock != nil && (len(got) != 5 || got[4] != "4 -> "+lock.Name()) || lock == nil && len(got) != 4 {
			t.Fatalf("descriptors %q", got)
		}

		if got[0] != "0 -> /dev/null" || !strings.HasPrefix(got[1], "1 -> pipe:") ||
			got[1][1:] != got[2][1:] || !strings.HasPrefix(got[3], "3 -> pipe:") || got[3][1:] == got[1][1:] {
			t.Errorf("descriptors %q", got)
		}
	}
}

// The lock is held by whoever has inherited it, also when the daemon is gone.
func TestLockIsInherited(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "lock")

	lock, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}

	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}

	task := newTask(t, "a.csv")
	task.Lock = lock
	kill := make(chan struct{})
	task.Kill = kill

	started := make(chan struct{})
	task.Started = func(int) { close(started) }
	ended := make(chan job.Exit, 1)
	h := newHandler(t, shell(t, patient))

	go func() { ended <- h.Run(t.Context(), task) }()

	<-started

	if err := lock.Close(); err != nil { // as the daemon's death would
		t.Fatal(err)
	}

	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()

	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("lock while the command runs: %v, want held", err)
	}

	close(kill)
	<-ended

	// A fork of another test may hold a copy until its exec.
	eventually(t, "lock is free", func() bool {
		return unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
	})
}

func TestSignalsAreDefault(t *testing.T) {
	t.Parallel()

	_, log := runShell(t, "exec grep -E '^Sig(Blk|Ign)' /proc/self/status")
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}

	for line := range strings.Lines(log) {
		// What this test was started with ignored or blocked, as by nohup, is passed on.
		if !strings.HasSuffix(line, "\t0000000000000000\n") && !strings.Contains(string(own), line) {
			t.Errorf("a command starts with %s", line)
		}
	}

	if strings.Count(log, "\n") != 2 {
		t.Errorf("log %q", log)
	}
}

func TestMemoryScore(t *testing.T) {
	t.Parallel()

	if !wantsOOMScore() {
		t.Skip("our own score is as high")
	}

	task := newTask(t, "a.csv")
	task.Path = "now"
	// Marked just after the start: what it starts once it is marked is marked too.
	c := shell(t, `while [ "$(cat /proc/$$/oom_score_adj)" != 300 ]; do sleep 0.01; done; cat /proc/self/oom_score_adj`)

	ctx, cancel := context.WithTimeout(t.Context(), longWait)
	defer cancel()

	newHandler(t, c).Run(ctx, task)

	if log := readLog(t, task); log != "300\n" {
		t.Errorf("score %q, want 300", log)
	}
}
