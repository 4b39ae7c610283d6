package process_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// holdNote holds up the nth note of a job that is in processing/; the function lets it go on.
func (r *rig) holdNote(name string, nth int) func() {
	gate, seen := make(chan struct{}), 0

	r.disk.breaks(func(call string) error {
		if strings.HasPrefix(call, "note ") && strings.Contains(call, " "+name+"=processing") {
			if seen++; seen == nth {
				<-gate
			}
		}

		return nil
	})

	return func() { close(gate) }
}

// ran returns on which files the handler has run, in order.
func (r *rig) ran() []string {
	var names []string

	for _, line := range r.book.with("run ") {
		names = append(names, strings.Fields(line)[1])
	}

	return names
}

// preparing brings it about that the attempt on b is just being made ready, until the first
// function is called, while a is ready and "gate" is at work until the second one is.
func (r *rig) preparing() (func(), func()) {
	r.Helper()

	release := r.gate()
	r.inbox("a")
	r.pass(20 * time.Millisecond)

	goOn := r.holdNote("b", 2) // the first is of the claim
	r.inbox("b")
	r.pass(20 * time.Millisecond)
	r.want("done/first", "processing/gate", "processing/a", "processing/b")

	return goOn, release
}

// TestRecalledInOrder: what is taken back is not overtaken by what was just being made
// ready behind it.
func TestRecalledInOrder(t *testing.T) {
	t.Parallel()

	for name, recall := range map[string]func(r *rig){
		"too long": func(r *rig) { r.pass(time.Second) },
		"reload":   func(r *rig) { r.changes(r, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Ordered = true
				goOn, release := r.preparing()
				recall(r)
				goOn()
				synctest.Wait()
				release()
				r.pass(time.Minute)

				if got := r.ran(); !slices.Equal(got, []string{"first", "gate", "a", "b"}) {
					r.Errorf("ran %q", got)
				}

				r.stops()
			})
		})
	}
}

// TestSteeredWithoutEffectKeepsItsTurn: a resume or a refused retry of a job that waits
// for its slot changes nothing.
func TestSteeredWithoutEffectKeepsItsTurn(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Ordered = true
		release := r.readies()

		if _, err := r.pool.Steer(r.Context(), r.noted("a"), job.Resume); err != nil {
			r.Error(err)
		}

		if _, err := r.pool.Steer(r.Context(), r.noted("b"), job.Retry); err == nil {
			r.Error("a job that waits is retried")
		}

		release()
		r.pass(time.Minute)

		if got := r.ran(); !slices.Equal(got, []string{"first", "gate", "a", "b", "c"}) {
			r.Errorf("ran %q", got)
		}

		r.stops()
	})
}

// TestReloadRecallsInTheJournal: under the new rules nothing is made ready ahead, and
// the jobs do not seem to be at work for as long as the slot is taken.
func TestReloadRecallsInTheJournal(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.readies()
		r.cfg.Results = true
		r.changes(r, nil)
		r.pass(time.Second)
		r.untried("a", "b", "c")
		release()
		r.pass(time.Minute)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.stops()
	})
}

// TestBrokenWhileMadeReady: what was just being made ready goes to deferred/ as what was
// ready does.
func TestBrokenWhileMadeReady(t *testing.T) {
	bubble(t, func(r *rig) {
		goOn, release := r.preparing()
		r.inbox("c")
		r.pass(20 * time.Millisecond)
		r.handles(exits(127))
		release()
		r.pass(time.Second)
		goOn()
		r.pass(time.Millisecond * 100)

		if left := r.names(job.ProcessingFolder); len(left) > 0 {
			r.Errorf("in processing/ lie %q", left)
		}

		r.untried("b")
		r.handles(exits(0))
		r.pass(time.Hour)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.stops()
	})
}

// TestBrokenWhileClaimed: what was just being claimed goes to deferred/ too.
func TestBrokenWhileClaimed(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.gate()
		claimed := make(chan struct{})

		r.disk.breaks(func(call string) error {
			if call == "claim b" {
				<-claimed
			}

			return nil
		})
		r.inbox("a")
		r.pass(20 * time.Millisecond)
		r.inbox("b")
		r.pass(20 * time.Millisecond)
		r.handles(exits(127))
		release()
		r.pass(time.Second)
		close(claimed)
		r.pass(100 * time.Millisecond)
		r.want("done/first", "done/gate", "deferred/a", "deferred/b")
		r.handles(exits(0))
		r.pass(time.Hour)
		r.want("done/first", "done/gate", "done/a", "done/b")
		r.stops()
	})
}

// TestReadyUnderRulesThatWereOnlyNoted: who has asked for the change did not wait until
// the loop came round.
func TestReadyUnderRulesThatWereOnlyNoted(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.readies()
		gate := make(chan struct{})
		resumed := make(chan error)

		r.disk.breaks(func(call string) error {
			if strings.HasPrefix(call, "set paused") {
				<-gate
			}

			return nil
		})

		go func() { resumed <- r.pool.PauseSpool(r.Context(), false) }() // the loop waits for the disk

		synctest.Wait()

		ctx, cancel := context.WithCancel(r.Context())
		cancel()

		r.cfg.Results = true

		err := r.pool.Change(ctx, r.cfg, other(func(task handler.Task) job.Exit {
			if task.Results == "" {
				r.Error("no directory for results")
			}

			return job.Exit{}
		}), nil)
		if err != nil {
			r.Error(err)
		}

		release()
		synctest.Wait()
		close(gate)

		if err := <-resumed; err != nil {
			r.Error(err)
		}

		r.pass(time.Minute)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.stops()
	})
}

// TestDroppingWhileAFileIsClaimed: a file on its way to processing/ is no handler that has
// begun since.
func TestDroppingWhileAFileIsClaimed(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 2
		gate, claimed := make(chan struct{}), make(chan struct{})

		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			if task.Job.Name != "a" {
				return job.Exit{}
			}

			own := filepath.Join(filepath.Dir(task.Path), "own")
			if err := os.WriteFile(own, []byte("x"), 0o600); err != nil {
				r.Error(err)
			}

			<-gate

			if err := os.Remove(own); err != nil {
				r.Errorf("the handler's own file: %v", err)
			}

			return job.Exit{}
		})
		r.disk.breaks(func(call string) error {
			if call == "claim b" {
				<-claimed
			}

			return nil
		})
		r.inbox("a")
		r.start()
		r.pass(time.Minute) // it is seen
		r.inbox("b")
		r.pass(time.Minute)
		r.want("processing/a", "processing/own", "inbox/b")
		close(claimed)
		r.pass(time.Second)
		close(gate)
		r.pass(time.Minute)
		r.want("done/a", "done/b")
		r.stops()
	})
}
