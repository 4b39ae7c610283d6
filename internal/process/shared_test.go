package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// waits returns a handler that waits for its turn for one time, is then at work for
// another, and ends well, or with asked if it was asked to end.
func waits(turn, work time.Duration, asked job.Exit) handle {
	return func(ctx context.Context, task handler.Task) job.Exit {
		for _, d := range []time.Duration{turn, work} {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				return asked
			}

			task.Started(1)
		}

		return job.Exit{}
	}
}

// TestSharedTime: what an attempt waits for its turn does not count as its time.
func TestSharedTime(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		work time.Duration
		want string
	}{
		"in time": {20 * time.Second, "done/a"},
		"late":    {2 * time.Minute, "failed/a"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Shared, r.cfg.Timeout, r.cfg.Attempts = true, time.Minute, 1
				r.handles(waits(time.Hour, c.work, job.Exit{Code: -1, Err: handler.ErrTimeout}))
				r.inbox("a")
				r.start()
				r.pass(2 * time.Hour)
				r.want(c.want)
				r.stops()
			})
		})
	}
}

// TestSharedLocks: jobs of a handler that locks itself have no locks.
func TestSharedLocks(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Shared = true
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			if task.Lock != nil {
				r.Error("there is a lock")
			}

			return job.Exit{}
		})
		r.inbox("a")
		r.start()
		r.pass(time.Second)
		r.want("done/a")
		r.stops()
		r.said(0, "lock")
	})
}

// TestSharedPause: a job that runs cannot be paused, with the reason; one that waits can.
func TestSharedPause(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Shared = true
		r.handles(sleeps(time.Minute, job.Exit{Code: 1}, killed()))
		r.inbox("a")
		r.start()

		id := r.id("a")

		_, err := r.pool.Steer(r.Context(), id, job.Pause)

		var refused *job.StateError
		if !errors.As(err, &refused) || refused.State != job.Processing || refused.Why == "" {
			r.Errorf("a pause is answered with %v", err)
		}

		r.steers(id, job.Resume, "processing")
		r.pass(time.Minute)
		r.steers(id, job.Pause, "paused")
		r.steers(id, job.Terminate, "terminated")
		r.stops()
	})
}

// TestDied: the death of the process that was at work uses an attempt, unless it came
// with a drain.
func TestDied(t *testing.T) {
	died := job.Exit{Code: -1, Err: fmt.Errorf("worker: %w", handler.ErrDied)}

	bubble(t, func(r *rig) {
		r.cfg.Attempts = 2
		r.handles(ends(died))
		r.inbox("a")
		r.start()
		r.pass(time.Minute)
		r.want("failed/a")

		r.handles(sleeps(time.Hour, job.Exit{}, died))
		r.inbox("b")
		r.pass(time.Minute)
		r.stops()
		r.want("deferred/b", "failed/a")
	})
}

// together is a handler whose attempts all end when there are so many.
type together struct {
	*rig

	mu   sync.Mutex
	many int
	come []*handler.Attempt
}

// Start waits for more.
func (g *together) Start(s handler.Sink, attempts []*handler.Attempt) {
	g.mu.Lock()
	defer g.mu.Unlock()

	for _, a := range attempts {
		a.Exit = g.Run(a.Context, a.Task)
	}

	if g.come = append(g.come, attempts...); len(g.come) == g.many {
		s.Ended(g.come)
	}
}

// TestSharedTogether: each of those that end together is judged by itself, and none waits
// for one whose judgement takes longer.
func TestSharedTogether(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Shared, r.cfg.Workers, r.cfg.Attempts = true, 4, 1
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			switch task.Job.Name {
			case "bad":
				return job.Exit{Code: 65}
			case "killed": // it may be that we are to end too
				return job.Exit{Code: -1, Signal: "SIGKILL"}
			case "gone":
				if err := os.Remove(task.Path); err != nil {
					t.Error(err)
				}
			}

			return job.Exit{}
		})
		r.inbox("well", "bad", "killed", "gone")
		r.group = &together{rig: r, many: 4}
		r.start()
		r.pass(100 * time.Millisecond)
		r.want("done/well", "failed/bad", "processing/killed")
		r.pass(2 * time.Second)
		r.want("done/well", "failed/bad", "failed/killed")
		r.stops()
	})
}
