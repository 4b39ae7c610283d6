package process_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
	"importerd/internal/process"
)

// TestPauseOfAJobThatEnds: a handler that ends before it is frozen has done its job.
func TestPauseOfAJobThatEnds(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(func(context.Context, handler.Task) job.Exit { // it takes no freezing
			<-time.After(time.Second)

			return job.Exit{}
		})
		r.inbox("a")
		r.start()

		_, err := r.pool.Steer(r.Context(), r.id("a"), job.Pause)
		if state, ok := errors.AsType[*job.StateError](err); !ok || state.State != job.Done {
			r.Errorf("paused: %v, want that it is done", err)
		}

		r.want("done/a")
		r.stops()
	})
}

// TestRetryOfATriggerBesideAnother: triggers run one at a time, also those that are
// brought back.
func TestRetryOfATriggerBesideAnother(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 4
		r.handles(r.works(time.Hour, job.Exit{}, killed()))
		r.start()

		triggers := func(name string) job.ID {
			rec, err := r.accept("x", process.Acceptance{Name: name, Origin: job.Triggered})
			if err != nil {
				r.Fatal(err)
			}

			r.pass(time.Second)

			return rec.ID
		}

		first := triggers("first")

		if _, err := r.pool.Steer(r.Context(), first, job.Terminate); err != nil {
			r.Fatal(err)
		}

		r.pass(time.Minute)

		second := triggers("second")

		_, err := r.pool.Steer(r.Context(), first, job.Retry)
		if busy, ok := errors.AsType[*job.BusyError](err); !ok || busy.ID != second {
			r.Errorf("retried: %v, want that %s is busy", err, second)
		}

		r.pass(2 * time.Hour)

		if _, err := r.pool.Steer(r.Context(), first, job.Retry); err != nil {
			r.Errorf("retried when nothing runs: %v", err)
		}

		r.pass(2 * time.Hour)
		r.want("done/first", "done/second")
		r.stops()
	})
}

// TestTerminatedJobIsNotLetGoOn: a frozen job that is terminated is asked to end as it is:
// it must not do more of its work first.
func TestTerminatedJobIsNotLetGoOn(t *testing.T) {
	bubble(t, func(r *rig) {
		const jobs = 64 // what it is about is a race

		r.cfg.Workers = jobs
		r.handles(r.works(time.Hour, job.Exit{}, killed()))

		for i := range jobs {
			r.inbox(strconv.Itoa(i))
		}

		r.start()

		var all sync.WaitGroup

		for i := range jobs {
			id := r.id(strconv.Itoa(i))
			r.steers(id, job.Pause, "paused")
			all.Go(func() {
				if _, err := r.pool.Steer(r.Context(), id, job.Terminate); err != nil {
					r.Errorf("terminate: %v", err)
				}
			})
		}

		all.Wait()
		r.pass(time.Minute)

		if got := r.book.with("frozen ", " false"); len(got) > 0 {
			r.Errorf("let go on: %q", got)
		}

		r.stops()
	})
}
