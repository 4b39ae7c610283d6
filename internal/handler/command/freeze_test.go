package command

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// counting is a shell and a child that both count, each in a file of its own. The
// first word is the numbers of the two.
const counting = `
	count() { while :; do echo x >>"$1"; done; }
	sh -c 'count() { while :; do echo x >>"$1"; done; }; echo $$ >told; mv told child; count b' &
	while ! [ -e child ]; do :; done
	echo "checkpoint $$ $(cat child)" >&3
	count a`

// send sends to a running attempt, which must take it.
func (a *attempt) send(t *testing.T, frozen bool) {
	t.Helper()

	select {
	case a.freeze <- frozen:
	case exit := <-a.ended:
		a.ended <- exit
	case <-time.After(longWait):
		t.Fatal("nobody takes it")
	}
}

// are waits until all the processes are, or are not, stopped.
func are(t *testing.T, stopped bool, pids []string) {
	t.Helper()

	eventually(t, "stopped or not", func() bool {
		for _, pid := range pids {
			s := state(t, pid)
			if s == "X" {
				t.Fatalf("process %s is gone", pid)
			}

			if (s == "T") != stopped {
				return false
			}
		}

		return true
	})
}

// sizes returns how far the two have counted.
func sizes(t *testing.T, dir string) [2]int64 {
	t.Helper()

	var got [2]int64

	for i, name := range []string{"a", "b"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			got[i] = info.Size()
		}
	}

	return got
}

func TestFreezeWholeTree(t *testing.T) {
	t.Parallel()

	c := shell(t, counting)
	a := begin(t, c)
	pids := strings.Fields(a.word)

	for range 3 {
		a.send(t, true)
		a.send(t, true)
		are(t, true, pids)

		before := sizes(t, c.Dir)

		a.send(t, true)

		if after := sizes(t, c.Dir); after != before {
			t.Errorf("counted from %d to %d while frozen", before, after)
		}

		a.send(t, false)
		a.send(t, false)
		are(t, false, pids)
		eventually(t, "both go on", func() bool {
			after := sizes(t, c.Dir)

			return after[0] > before[0] && after[1] > before[1]
		})
	}

	a.send(t, true)
	are(t, true, pids)
	a.cancel(handler.ErrTerminate)

	if exit := a.end(t); exit.Signal != "SIGTERM" {
		t.Errorf("exit %+v, want SIGTERM", exit)
	}

	if !isDead(t, pids[0]) || !isDead(t, pids[1]) {
		t.Error("one lives on")
	}
}

// A frozen handler hears SIGTERM when it is woken, and may end by itself.
func TestFrozenObeysItsEnd(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `trap "exit 75" TERM; echo "checkpoint $$" >&3; while :; do :; done`))
	a.send(t, true)
	are(t, true, []string{a.word})
	a.cancel(handler.ErrStop)

	if exit := a.end(t); exit.Code != 75 {
		t.Errorf("exit %+v, want 75", exit)
	}
}

func TestFrozenIsKilledAfterItsGrace(t *testing.T) {
	t.Parallel()

	c := shell(t, `trap "echo checkpoint asked >&3" TERM; echo "checkpoint $$" >&3; while :; do :; done`)
	c.KillAfter = 100 * time.Millisecond

	a := begin(t, c)
	a.send(t, true)
	are(t, true, []string{a.word})

	asked := time.Now()

	a.cancel(handler.ErrTerminate)
	a.next(t)

	if exit := a.end(t); exit.Signal != "SIGKILL" || time.Since(asked) < c.KillAfter {
		t.Errorf("exit %+v after %s, want SIGKILL after its grace", exit, time.Since(asked))
	}
}

// During the grace values are taken, and the handler is not frozen any more: a
// grace spent frozen would be none.
func TestFreezeDuringGrace(t *testing.T) {
	t.Parallel()

	c := shell(t, `
		trap 'echo checkpoint asked >&3; while :; do echo x >>a; done' TERM
		echo "checkpoint $$" >&3; while :; do :; done`)
	a := begin(t, c)
	a.cancel(handler.ErrTimeout)
	a.next(t)

	for _, frozen := range []bool{true, true, false, true} {
		a.send(t, frozen)
	}

	a.send(t, true) // the last one before has been carried out

	before := sizes(t, c.Dir)

	eventually(t, "it goes on", func() bool { return sizes(t, c.Dir)[0] > before[0] })
	close(a.kill)

	if exit := a.end(t); exit.Signal != "SIGKILL" {
		t.Errorf("exit %+v, want SIGKILL", exit)
	}
}

func TestFreezeBeforeStart(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	freeze := make(chan bool, 1)
	freeze <- true
	task.Freeze = freeze
	started := make(chan int, 1)
	task.Started = func(pid int) {
		if len(freeze) > 0 {
			t.Error("it was not frozen right after the start")
		}

		started <- pid
	}

	ended := make(chan job.Exit, 1)
	h := newHandler(t, shell(t, "exit 3"))

	go func() { ended <- h.Run(t.Context(), task) }()

	<-started // frozen before it could end, or ended already: both are right
	freeze <- false

	if exit := <-ended; exit.Code != 3 {
		t.Errorf("exit %+v, want 3", exit)
	}
}

func TestFreezeWhileOutputFloods(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `yes & echo "checkpoint $! $$" >&3; exec yes no`))
	pids := strings.Fields(a.word)

	for range 5 {
		a.send(t, true)
		are(t, true, pids)
		a.send(t, false)
		are(t, false, pids)
	}

	a.send(t, true)
	are(t, true, pids)
	close(a.kill)

	if exit := a.end(t); exit.Signal != "SIGKILL" {
		t.Errorf("exit %+v, want SIGKILL", exit)
	}
}

// The handler ends while it is being frozen and woken: its exit is told truly,
// and nobody who sends is left hanging until Run returns.
func TestFreezeAtTheEnd(t *testing.T) {
	t.Parallel()

	for range 20 {
		a := begin(t, shell(t, `while :; do :; done & echo checkpoint ready >&3; exit 7`))

		frozen := true

		for done := false; !done; frozen = !frozen {
			select {
			case a.freeze <- frozen:
			case exit := <-a.ended:
				a.ended <- exit
				done = true
			case <-time.After(longWait):
				t.Fatal("neither taken nor ended")
			}
		}

		if exit := a.end(t); exit.Code != 7 {
			t.Fatalf("exit %+v, want 7", exit)
		}
	}
}

func TestFreezeChannelClosed(t *testing.T) {
	t.Parallel()

	a := begin(t, shell(t, `echo "checkpoint $$" >&3; while :; do :; done`))
	a.send(t, true)
	are(t, true, []string{a.word})
	close(a.freeze)
	a.cancel(context.Canceled)

	if exit := a.end(t); exit.Signal != "SIGTERM" {
		t.Errorf("exit %+v, want SIGTERM", exit)
	}
}
