package process_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// ahead brings it about that files are claimed ahead: as for gate, and behind it wait
// a, b and c.
func (r *rig) ahead() func() {
	r.Helper()

	release := r.gate()
	r.inbox("a", "b", "c")
	r.pass(time.Second)
	r.want("done/first", "processing/gate", "processing/a", "processing/b", "processing/c")

	return release
}

// gate brings it about that what comes next is claimed ahead: "first" is done at once,
// "gate" is at work until the function is called.
func (r *rig) gate() func() {
	r.Helper()

	gate := make(chan struct{})

	r.handles(func(ctx context.Context, task handler.Task) job.Exit {
		if task.Job.Name == "gate" {
			select {
			case <-gate:
			case <-ctx.Done():
				return killed()
			}
		}

		return job.Exit{}
	})
	r.inbox("first")
	r.start()
	r.pass(20 * time.Millisecond)
	r.inbox("gate")
	synctest.Wait()

	return func() { close(gate) }
}

// TestImmovableAmongThoseClaimedTogether: whichever is tried first cannot be moved, and
// the others are claimed all the same.
func TestImmovableAmongThoseClaimedTogether(t *testing.T) {
	bubble(t, func(r *rig) {
		release, gathered := r.gate(), make(chan struct{})

		var tried atomic.Pointer[string]

		r.disk.breaks(func(call string) error {
			switch {
			case call == "claim before":
				<-gathered

				return nil
			case !strings.HasPrefix(call, "claim "):
				return nil
			}

			if tried.CompareAndSwap(nil, &call); *tried.Load() == call {
				return fmt.Errorf("%w: %w", job.ErrDisk, unix.EPERM)
			}

			return nil
		})
		r.inbox("before")
		r.pass(time.Second)
		r.inbox("a", "b", "c")
		r.pass(time.Second)
		close(gathered)
		r.pass(time.Second)

		if c := r.pool.Counts(); c.Held != 1 || c.Queued != 3 || c.Disk != "" {
			r.Errorf("counts %+v", c)
		}

		release()
		r.pass(time.Second)

		if len(r.names(job.DoneFolder)) != 5 || len(r.names(job.InboxFolder)) != 1 {
			r.Errorf("files %q", r.files())
		}

		r.stops()
	})
}

func TestClaimedAheadIsStartedInTurn(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.ahead()

		if c := r.pool.Counts(); c.Running != 1 || c.Queued != 3 {
			r.Errorf("counts %+v", c)
		}

		// Claimed, made ready, and not ready any more as it took too long.
		if got := len(r.book.with("note ", "a=processing")); got != 3 {
			r.Errorf("a was noted %d times before its attempt", got)
		}

		release()
		r.pass(time.Second)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.stops()
	})
}

// TestClaimedAheadAtTheDrain: what has not been started waits in deferred/, due at once,
// and was not interrupted.
func TestClaimedAheadAtTheDrain(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.ahead()
		ended := make(chan error)

		go func() { ended <- r.stop() }()

		r.pass(time.Second) // the handler is still at work
		r.want("done/first", "processing/gate", "deferred/a", "deferred/b", "deferred/c")
		release()

		if err := <-ended; err != nil {
			r.Error(err)
		}

		for _, name := range []string{"a", "b", "c"} {
			rec, err := r.ledger.Get(r.id(name))
			if err != nil || rec.Interruptions != 0 || rec.Crashes != 0 || rec.Attempt != 0 || rec.Error != "" ||
				rec.DueAt.After(time.Now()) || rec.Moving != nil {
				r.Errorf("%s: %+v, %v", name, rec, err)
			}
		}

		r.restart()
		r.start()
		r.pass(time.Second)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.runs("a", 1)
		r.stops()
	})
}

func TestClaimedAheadOfAPause(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.ahead()

		if err := r.pool.PauseSpool(r.Context(), true); err != nil {
			r.Fatal(err)
		}

		r.pass(time.Second)
		r.want("done/first", "processing/gate", "deferred/a", "deferred/b", "deferred/c")
		release()
		r.pass(time.Minute)
		r.runs("a", 0)

		if err := r.pool.PauseSpool(r.Context(), false); err != nil {
			r.Fatal(err)
		}

		r.pass(time.Second)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.stops()
	})
}

// TestClaimedAheadOfABrokenHandler: one at a time is tried, and the others do not lie
// where they seem to be at work.
func TestClaimedAheadOfABrokenHandler(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.ahead()
		r.handles(exits(127))
		release()
		r.pass(time.Second)
		r.want("done/first", "done/gate", "deferred/a", "deferred/b", "deferred/c")

		if got := len(r.book.with("run ")); got != 3 { // and one of the three
			r.Errorf("%d runs: %v", got, r.book.with("run "))
		}

		r.handles(exits(0))
		r.pass(time.Hour)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.stops()
	})
}

func TestClaimedAheadIsSteered(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.ahead()
		a, b, c := r.noted("a"), r.noted("b"), r.noted("c")

		for _, verb := range []job.Verb{job.Terminate, job.Pause, job.Resume} {
			id := map[job.Verb]job.ID{job.Terminate: a, job.Pause: b, job.Resume: c}[verb]

			if rec, err := r.pool.Steer(r.Context(), id, verb); err != nil {
				r.Errorf("%s: %+v, %v", verb, rec, err)
			}
		}

		if _, err := r.pool.Steer(r.Context(), c, job.Retry); err == nil {
			r.Error("a job that waits is retried")
		}

		r.want("done/first", "processing/gate", "failed/a", "deferred/b", "processing/c")
		release()
		r.pass(time.Minute)
		r.want("done/first", "done/gate", "failed/a", "deferred/b", "done/c")
		r.runs("a", 0)
		r.steers(b, job.Resume, "deferred")
		r.pass(time.Minute)
		r.want("done/first", "done/gate", "failed/a", "done/b", "done/c")
		r.stops()
	})
}

// TestClaimedTogether: a backlog is recorded in groups, and no file twice.
func TestClaimedTogether(t *testing.T) {
	bubble(t, func(r *rig) {
		const files = 300

		r.cfg.Workers = 2

		for i := range files {
			r.inbox(fmt.Sprint(i))
		}

		r.start()
		r.pass(time.Minute)

		if got := len(r.names(job.DoneFolder)); got != files {
			r.Errorf("%d done", got)
		}

		lines := r.book.with("run ")
		slices.Sort(lines)

		if got := len(slices.Compact(lines)); got != files || len(r.book.with("run ")) != files {
			r.Errorf("%d runs on %d files", len(r.book.with("run ")), got)
		}

		if got := len(r.book.with("commit ")); got > files/2 {
			r.Errorf("%d commits for %d files", got, files)
		}

		r.stops()
	})
}
