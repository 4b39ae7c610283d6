package process_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// other is another handler than that of the rig.
type other func(task handler.Task) job.Exit

// Run is the handler.
func (o other) Run(_ context.Context, task handler.Task) job.Exit { return o(task) }

// changes gives the pool other settings.
func (r *rig) changes(h handler.Handler, notify func(context.Context, job.Record, []byte) error) {
	r.Helper()

	if err := r.pool.Change(r.Context(), r.cfg, h, notify); err != nil {
		r.Error(err)
	}
}

// TestChangeHoldsForTheNextAttempt: what runs goes on, and holds up nobody once there
// are more workers.
func TestChangeHoldsForTheNextAttempt(t *testing.T) {
	bubble(t, func(r *rig) {
		var under atomic.Int64 // attempts of the new handler

		free := make(chan struct{})
		r.handles(func(ctx context.Context, _ handler.Task) job.Exit {
			select {
			case <-free:
			case <-ctx.Done():
				t.Error("the attempt was ended")
			}

			return job.Exit{Code: 1}
		})

		r.cfg.Timeout = 0
		r.inbox("a")
		r.start()
		r.pass(time.Second)
		r.runs("a", 1)

		r.cfg.Workers, r.cfg.Attempts, r.cfg.Timeout, r.cfg.Results = 2, 1, time.Minute, true
		r.changes(other(func(task handler.Task) job.Exit {
			under.Add(1)

			if task.Results == "" {
				t.Error("no directory for results")
			}

			return job.Exit{}
		}), nil)
		r.inbox("b")
		r.pass(time.Hour) // the old attempt has no time-out
		r.want("processing/a", "done/b")

		if got := under.Load(); got != 1 {
			t.Errorf("the new handler has run %d times", got)
		}

		close(free)
		r.pass(time.Second)
		r.want("failed/a", "done/b") // judged by what holds now: one attempt is enough
		r.runs("a", 1)
		r.stops()
	})
}

// TestChangeToFewerWorkers: what runs goes on, and nothing more begins before there is room.
func TestChangeToFewerWorkers(t *testing.T) {
	bubble(t, func(r *rig) {
		free := make(chan struct{})
		r.handles(func(context.Context, handler.Task) job.Exit {
			<-free

			return job.Exit{}
		})

		r.cfg.Workers = 3
		r.inbox("a", "b", "c")
		r.start()
		r.pass(time.Second)

		r.cfg.Workers = 1
		r.changes(r, nil)
		r.inbox("d", "e")
		r.pass(time.Minute)

		if c := r.pool.Counts(); c.Running != 3 {
			t.Errorf("%d run, want the 3 that did", c.Running)
		}

		free <- struct{}{}
		free <- struct{}{}
		r.pass(time.Minute)

		if c := r.pool.Counts(); c.Running != 1 || len(r.names(job.DoneFolder)) != 2 {
			t.Errorf("%d run, want 1", c.Running)
		}

		close(free)
		r.pass(time.Minute)
		r.want("done/a", "done/b", "done/c", "done/d", "done/e")
		r.stops()
	})
}

// TestChangeGivesBackWhatIsNotClaimed: the watcher has new rules, by which it may not
// be ready any more.
func TestChangeGivesBackWhatIsNotClaimed(t *testing.T) {
	bubble(t, func(r *rig) {
		free := make(chan struct{})
		r.handles(func(context.Context, handler.Task) job.Exit {
			<-free

			return job.Exit{}
		})

		flush := make(chan struct{})
		r.disk.breaks(func(call string) error {
			if call == "flush inbox/c" {
				<-flush
			}

			return nil
		})

		r.inbox("a")
		r.start()
		r.pass(time.Second)
		r.inbox("b", "c")
		r.pass(time.Second)

		if c := r.pool.Counts(); c.Queued != 2 {
			t.Fatalf("%d wait in the pool, want 2", c.Queued)
		}

		before := len(r.book.with("look b"))
		r.changes(r, nil)

		if len(r.book.with("look b")) == before {
			t.Error("b was not given back")
		}

		if len(r.book.with("look c")) > 0 {
			t.Error("c was given back while it was being flushed")
		}

		close(flush)
		r.pass(time.Second)

		if len(r.book.with("look c")) == 0 {
			t.Error("c was not given back")
		}

		close(free)
		r.pass(time.Minute)
		r.want("done/a", "done/b", "done/c")
		r.stops()
	})
}

// TestChangeTriesABrokenHandlerAtOnce, also one that an attempt finds broken that
// began before.
func TestChangeTriesABrokenHandlerAtOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		free := make(chan struct{})
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			if task.Job.Name == "slow" {
				<-free
			}

			return job.Exit{Code: 78}
		})

		r.cfg.Workers = 2
		r.inbox("slow", "a")
		r.start()
		r.pass(time.Hour)

		if r.pool.Counts().Broken == "" {
			t.Fatal("the handler does not count as broken")
		}

		r.changes(other(func(handler.Task) job.Exit { return job.Exit{} }), nil)
		r.pass(100 * time.Millisecond)
		r.want("done/a", "processing/slow")
		close(free)
		r.pass(100 * time.Millisecond)
		r.want("done/a", "done/slow")

		if why := r.pool.Counts().Broken; why != "" {
			t.Errorf("it is broken: %s", why)
		}

		r.stops()
	})
}

func TestTryAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(78))
		r.inbox("a")
		r.start()
		r.pass(time.Hour)
		r.handles(exits(0))
		r.pool.TryAgain(r.Context())
		r.pass(100 * time.Millisecond)
		r.want("done/a")
		r.stops()
		r.pool.TryAgain(r.Context())
	})
}

// TestChangeShortensWaits: who waits does not do so for longer than the new backoff has it.
func TestChangeShortensWaits(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Backoff.Min, r.cfg.Backoff.Max = time.Hour, time.Hour
		r.handles(exits(1, 0))
		r.inbox("a")
		r.start()
		r.pass(time.Minute)
		r.want("deferred/a")

		r.cfg.Backoff.Min, r.cfg.Backoff.Max = time.Second, time.Second
		r.changes(r, nil)
		r.pass(2 * time.Second)
		r.want("done/a")
		r.stops()
	})
}

// TestChangeOfNotify: a failure is told to who is there then.
func TestChangeOfNotify(t *testing.T) {
	bubble(t, func(r *rig) {
		var told []string

		teller := func(who string) func(context.Context, job.Record, []byte) error {
			return func(_ context.Context, rec job.Record, _ []byte) error {
				told = append(told, who+" "+rec.Name)

				return nil
			}
		}

		r.notify = teller("first")
		r.handles(exits(65))
		r.inbox("a")
		r.start()
		r.pass(time.Second)
		r.changes(r, teller("second"))
		r.inbox("b")
		r.pass(time.Second)
		r.changes(r, nil)
		r.inbox("c")
		r.pass(time.Second)
		r.want("failed/a", "failed/b", "failed/c")
		r.stops()

		if !slices.Equal(told, []string{"first a", "second b"}) {
			t.Errorf("told %q", told)
		}
	})
}

// TestChangeAtAnyTime: before, between and after.
func TestChangeAtAnyTime(t *testing.T) {
	bubble(t, func(r *rig) {
		r.pool = r.build()
		r.changes(r, nil)
		r.pool.TryAgain(r.Context())

		r.start()
		r.changes(r, nil)
		r.stops()
		r.changes(r, nil)

		r.cfg.Workers = 0
		if err := r.pool.Change(r.Context(), r.cfg, r, nil); err == nil {
			t.Error("a pool without workers")
		}
	})
}

// TestTryAgainWhileTheTroubleIsWritten: that job need not wait for the next try.
func TestTryAgainWhileTheTroubleIsWritten(t *testing.T) {
	bubble(t, func(r *rig) {
		free := make(chan struct{})
		r.disk.breaks(func(call string) error {
			if call == "move processing/a to deferred/a" {
				<-free
			}

			return nil
		})

		r.cfg.Backoff.Min, r.cfg.Backoff.Max = time.Hour, time.Hour
		r.handles(exits(78, 0))
		r.inbox("a")
		r.start()
		r.pass(time.Second)
		r.want("processing/a")
		r.pool.TryAgain(r.Context())
		close(free)
		r.pass(time.Second)
		r.want("done/a")
		r.stops()
	})
}
