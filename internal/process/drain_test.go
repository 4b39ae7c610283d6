package process_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
	"importerd/internal/process"
)

func TestDrainFinishesWhatRuns(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(sleeps(30*time.Second, job.Exit{}, job.Exit{Code: -1, Signal: "SIGTERM"}))
		r.inbox("a")
		r.start()
		r.inbox("b")
		synctest.Wait()

		if c := r.pool.Counts(); c.Running != 1 || c.Queued != 1 {
			r.Errorf("counts %+v", c)
		}

		r.stops()
		r.want("done/a", "inbox/b")
		r.runs("b", 0)
		r.said(1, "job done")
	})
}

func TestWorkDoneInterrupts(t *testing.T) {
	bubble(t, func(r *rig) {
		run, waits, attempts := r.starts(nil)
		_, _ = run, waits
		r.handles(func(ctx context.Context, task handler.Task) job.Exit {
			*attempts = append(*attempts, task.Job.Attempt)

			return sleeps(time.Hour, job.Exit{}, job.Exit{Code: -1, Signal: "SIGTERM"})(ctx, task)
		})
		r.inbox("a")
		r.start()
		began := time.Now()
		r.stops()

		if took := time.Since(began); took != r.limit {
			r.Errorf("the drain took %v", took)
		}

		r.want("deferred/a")
		r.said(1, "job interrupted")

		r.restart()
		r.handles(exits(0))
		r.start()
		r.want("done/a")
		r.runs("a", 2)

		if got := len(r.book.with("run a attempt 1")); got != 2 {
			r.Errorf("the interruption has used an attempt")
		}

		r.stops()
	})
}

// restart makes ready for a second start, as by another daemon.
func (r *rig) restart() {
	r.Helper()

	if err := errors.Join(r.ledger.Close(), r.disk.Close()); err != nil {
		r.Fatal(err)
	}

	next := newRig(r.T, r.disk.Dir())
	next.disk.book, next.disk.quick = r.book, r.disk.quick
	r.disk, r.stages, r.ended = next.disk, next.stages, next.ended
	r.ledger = next.ledger
	r.ready, r.wishes = next.ready, next.wishes
}

func TestExitCodeDuringTheDrainCounts(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(sleeps(time.Hour, job.Exit{}, job.Exit{Code: 65}))
		r.inbox("a")
		r.start()
		r.stops()
		r.want("failed/a")
	})
}

func TestKillReachesTheHandler(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			<-task.Kill

			return job.Exit{Code: -1, Signal: "SIGKILL"}
		})
		r.inbox("a")
		r.start()
		r.stages.Signal()
		r.stages.Signal()
		synctest.Wait()
		r.want("processing/a")
		r.stages.Signal()

		if err := <-r.ended; err != nil {
			r.Errorf("Run: %v", err)
		}

		r.want("deferred/a")
	})
}

func TestSignalBeforeTheDrain(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		before    time.Duration
		interrupt int
	}{
		"just before": {999 * time.Millisecond, 1},
		"long before": {1001 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.handles(ends(job.Exit{Code: -1, Signal: "SIGTERM"}))
				r.inbox("a")
				r.start()
				r.pass(c.before)
				r.stops()
				r.said(c.interrupt, "job interrupted")
				r.said(1-c.interrupt, "job deferred", "SIGTERM")
				r.want("deferred/a")
			})
		})
	}
}

func TestSignalDuringTheDrainIsAnInterruption(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(sleeps(10*time.Second, job.Exit{Code: -1, Signal: "SIGTERM"}, job.Exit{}))
		r.inbox("a")
		r.start()
		r.stops()
		r.said(1, "job interrupted")
		r.want("deferred/a")
	})
}

func TestHugeFlushDoesNotHoldUp(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.disk.hold("flush inbox/huge")
		defer release()

		r.inbox("huge")
		r.start()
		r.inbox("a", "b", "c")
		r.pass(time.Minute)
		r.want("inbox/huge", "done/a", "done/b", "done/c")
		r.stops()
		r.want("inbox/huge", "done/a", "done/b", "done/c")
	})
}

func TestNothingStartsAfterTheIntakeIsDone(t *testing.T) {
	bubble(t, func(r *rig) {
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			r.drop(job.DeferredFolder, name, name)
		}

		r.stages.Signal()

		pool := r.build()
		if err := pool.Recover(r.Context(), process.Past{Fresh: true}); err != nil {
			r.Fatal(err)
		}

		if err := pool.Run(r.stages.Intake(), r.Context()); err != nil {
			r.Errorf("Run: %v", err)
		}

		if got := r.book.with("run "); len(got) > 0 {
			r.Errorf("%v", got)
		}

		if err := pool.Run(r.stages.Intake(), r.Context()); err == nil {
			r.Error("a pool runs twice")
		}
	})
}

func TestLoopsComeRound(t *testing.T) {
	bubble(t, func(r *rig) {
		r.start()
		r.pass(time.Minute)
		before := r.beats.count()
		r.pass(time.Hour)

		if got := r.beats.count() - before; got < 360 || got > 4000 {
			r.Errorf("the idle loop has come round %d times in an hour", got)
		}

		r.stops()
	})
}

// TestCutOffAtOnce: what was told a moment before everything was to end is no outcome that
// could not be written, and is not told again.
func TestCutOffAtOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.inbox("a")
		r.start()
		r.want("done/a")
		r.stages.Signal()
		r.stages.Signal()

		if err := <-r.ended; err != nil {
			r.Errorf("Run: %v", err)
		}

		r.restart()
		r.start()
		r.said(1, "job done")
		r.stops()
	})
}
