package command

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"importerd/internal/handler"
)

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

	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()

	exit := a.end(t)
	if isDead(t, a.word) {
		t.Error("the outcome waited for the grandchild")
	}

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
