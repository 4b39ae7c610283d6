package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// back is who takes attempts back.
type back struct {
	mu   sync.Mutex
	came []*handler.Attempt
	over map[job.ID]bool
	told int // reports
}

// Ended takes them.
func (b *back) Ended(attempts []*handler.Attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.came = append(b.came, attempts...)
	for _, a := range attempts {
		b.over[a.Task.Job.ID] = true
	}
}

// count returns how many have come.
func (b *back) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()

	return len(b.came)
}

// TestGroup: each of those that are started together comes back once, with its own end,
// and reports nothing afterwards.
func TestGroup(t *testing.T) {
	t.Parallel()

	r := newRig(t, 1, 4)
	b := &back{over: map[job.ID]bool{}}
	scripts := []string{
		"exit=0", "exit=65", `say={"job":"JOB","progress":0.5} exit=3`, "await=go exit=0", "exit=0", "never",
		"await=go exit=7", "exit=9",
	}

	var (
		attempts []*handler.Attempt
		cancels  []context.CancelCauseFunc
	)

	for _, script := range scripts {
		ctx, cancel := context.WithCancelCause(t.Context())
		a := &handler.Attempt{Context: ctx, Task: r.task(script), Owner: script}
		a.Task.Report = func(handler.Report) {
			b.mu.Lock()
			defer b.mu.Unlock()

			b.told++

			if b.over[a.Task.Job.ID] {
				t.Errorf("%q reports after its end", script)
			}
		}

		attempts, cancels = append(attempts, a), append(cancels, cancel)
	}

	cancels[5](handler.ErrTerminate) // before it has begun
	r.Start(b, attempts)
	r.until("all but two ended", func() bool { return b.count() == len(scripts)-2 })
	r.let("go")
	r.until("all ended", func() bool { return b.count() >= len(scripts) })

	for i, code := range []int{0, 65, 3, 0, 0, -1, 7, 9} {
		a := attempts[i]
		if a.Exit.Code != code || a.Owner != scripts[i] || !b.over[a.Task.Job.ID] {
			t.Errorf("%q ended with %+v, want %d", scripts[i], a.Exit, code)
		}
	}

	if err := attempts[5].Exit.Err; !errors.Is(err, handler.ErrTerminate) {
		t.Errorf("what was not begun ended with %v", err)
	}

	if b.told != 1 {
		t.Errorf("%d reports, want 1", b.told)
	}

	if n := b.count(); n != len(scripts) {
		t.Errorf("%d attempts came back, want %d", n, len(scripts))
	}

	for _, cancel := range cancels {
		cancel(nil)
	}
}
