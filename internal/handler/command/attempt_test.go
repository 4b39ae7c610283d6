package command

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// attempt is a run that goes on beside the test.
type attempt struct {
	task   handler.Task
	dir    string        // working directory
	pid    int           // of the main process
	words  chan string   // the checkpoints reported, but the first
	word   string        // the first checkpoint reported
	kill   chan struct{} // closed by the test
	freeze chan bool     // sent by the test
	cancel context.CancelCauseFunc
	ended  chan job.Exit // the run sends one
}

// begin starts a script and returns when it has reported a checkpoint.
func begin(t *testing.T, c Config) *attempt {
	t.Helper()

	a := &attempt{
		task: newTask(t, "a.csv"), dir: c.Dir, words: make(chan string, 100),
		kill: make(chan struct{}), ended: make(chan job.Exit, 1),
	}
	a.freeze = make(chan bool)
	a.task.Freeze = a.freeze
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
