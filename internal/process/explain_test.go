package process_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

func TestExplain(t *testing.T) {
	bubble(t, func(r *rig) {
		explain := func(name string) string {
			why, ok := r.pool.Explain(r.Context(), name)
			if !ok {
				return "nothing"
			}

			return string(why.Standing) + ": " + why.Text
		}
		expect := func(name, want string) {
			r.Helper()

			if got := explain(name); got != want {
				r.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		gate := make(chan int)
		r.handles(func(context.Context, handler.Task) job.Exit { return job.Exit{Code: <-gate} })
		r.inbox("a")
		r.start()
		r.inbox("b")
		synctest.Wait()
		expect("a", "ready: "+job.ReasonUnderWay)
		expect("b", "ready: "+job.ReasonReady)
		expect("c", "nothing")

		gate <- 1
		r.pass(10 * time.Millisecond)
		expect("a", "ready: "+job.ReasonUnderWay) // deferred
		gate <- 127
		synctest.Wait()
		expect("c", "ready: "+job.ReasonNotWatching)
		r.stages.Signal()
		synctest.Wait()

		if err := <-r.ended; err != nil {
			r.Errorf("Run: %v", err)
		}

		if _, ok := r.pool.Explain(r.Context(), "a"); ok {
			r.Error("a pool that has ended explains")
		}

		if r.pool.Idle(r.Context()) {
			r.Error("a pool that has ended is idle")
		}
	})
}

func TestIdle(t *testing.T) {
	bubble(t, func(r *rig) {
		gate := make(chan int)
		r.handles(func(context.Context, handler.Task) job.Exit { return job.Exit{Code: <-gate} })
		r.start()

		if !r.pool.Idle(r.Context()) {
			r.Error("an empty pool is not idle")
		}

		r.inbox("a")
		synctest.Wait()

		if r.pool.Idle(r.Context()) {
			r.Error("a running pool is idle")
		}

		gate <- 1
		r.pass(10 * time.Millisecond)

		if !r.pool.Idle(r.Context()) {
			r.Error("a pool with a deferred job is not idle")
		}

		r.pass(3 * time.Second)

		if r.pool.Idle(r.Context()) {
			r.Error("a pool that runs a deferred job is idle")
		}

		gate <- 0
		r.pass(10 * time.Millisecond)

		if c := r.pool.Counts(); c.Done != 1 || c.Failed != 0 || !c.Oldest.IsZero() || c.Running != 0 {
			r.Errorf("counts %+v", c)
		}

		r.stops()
	})
}
