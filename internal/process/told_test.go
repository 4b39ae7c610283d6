package process_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// told returns the names of the ends that were told, with their numbers.
func (e *ear) told() []string {
	e.mu.Lock()
	defer e.mu.Unlock()

	var all []string
	for _, rec := range e.ended {
		all = append(all, fmt.Sprintf("%s=%d", rec.Name, rec.Cursor))
	}

	return all
}

// ascends checks that ends were told in the order of their numbers, each number once.
func (r *rig) ascends() {
	r.Helper()

	r.heard.mu.Lock()
	defer r.heard.mu.Unlock()

	last := int64(0)
	for _, rec := range r.heard.ended {
		if rec.Cursor <= last {
			r.Errorf("%s is told as %d after %d", rec.Name, rec.Cursor, last)
		}

		last = rec.Cursor
	}
}

// TestToldInOrder: what could not be moved is withheld, and told with a new number
// behind those that were told meanwhile.
func TestToldInOrder(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 2
		r.disk.breaks(failing("move processing/a", job.ErrDisk))

		gate, begun := make(chan struct{}), make(chan struct{})

		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			if task.Job.Name == "b" {
				close(begun)
				<-gate
			}

			<-begun // or it would be too late to claim b

			return job.Exit{}
		})
		r.inbox("a", "b")
		r.start()
		r.pass(10 * time.Millisecond)

		a := r.id("a")
		if !slices.Contains(r.heard.withheld, a) || len(r.heard.ended) > 0 {
			r.Errorf("withheld %v, told %v", r.heard.withheld, r.heard.told())
		}

		if got := r.heard.states(a); fmt.Sprint(got) != "[processing committing]" {
			r.Errorf("told %v", got)
		}

		if live, ok := r.pool.Live(a); !ok || !live.Committing {
			r.Errorf("live %+v, %t", live, ok)
		}

		rec, err := r.ledger.Get(a)
		if err != nil || rec.State != job.Done || rec.Cursor == 0 {
			r.Errorf("job %+v, %v", rec, err)
		}

		close(gate)
		r.pass(time.Minute)

		if got := r.heard.ended; len(got) != 1 || got[0].Name != "b" || got[0].Cursor <= rec.Cursor {
			r.Errorf("told %v", r.heard.told())
		}

		r.disk.breaks(nil)
		r.pass(time.Minute)
		r.want("done/a", "done/b")
		r.ascends()

		if got := r.heard.ended; len(got) != 2 || got[1].Name != "a" {
			r.Errorf("told %v", r.heard.told())
		}

		if _, ok := r.pool.Live(a); ok {
			r.Error("it lives on")
		}

		r.stops()
	})
}

func TestProgressIsTold(t *testing.T) {
	bubble(t, func(r *rig) {
		gate := make(chan struct{})

		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			for _, progress := range []float64{0.25, 0.5} {
				task.Report(handler.Report{Progress: &progress})
			}

			<-gate

			return job.Exit{}
		})
		r.inbox("a")
		r.start()

		if got := r.heard.progress; !slices.Equal(got, []float64{0.25, 0.5}) {
			r.Errorf("told %v", got)
		}

		if live, ok := r.pool.Live(r.id("a")); !ok || live.Progress == nil || *live.Progress != 0.5 {
			r.Errorf("live %+v, %t", live, ok)
		}

		close(gate)
		r.stops()
	})
}

// TestNumbersAfterACrash: an end that may have been told keeps its number, one that
// cannot have been gets a new one, behind all others.
func TestNumbersAfterACrash(t *testing.T) {
	bubble(t, func(r *rig) {
		at := func(name string, n int64, state job.State, path string) job.ID {
			rec := on(ended(running()), state, job.ProcessingFolder)
			rec.Name, rec.File, rec.Moving.File, rec.Moving.Name, rec.Cursor = name, name, name, name, n

			if path != "" {
				r.dies(job.Record{ID: job.NewID(), Name: "z", State: job.Done}, path+"/"+name)

				var err error
				if rec.Seen, err = r.disk.Stat(job.Folder(path), name); err != nil {
					r.Fatal(err)
				}
			}

			r.dies(rec)

			return rec.ID
		}

		at("late", 7, job.Failed, "failed")
		at("stuck", 3, job.Done, "processing")
		at("early", 5, job.Done, "done")
		at("gone", 6, job.Done, "")
		r.start()

		if got := r.heard.told(); len(got) != 4 || !slices.Equal(got[:3], []string{"early=5", "gone=6", "late=7"}) {
			r.Errorf("told %v", got)
		}

		r.ascends()
		r.stops()
	})
}

// TestNumbersOfDebts: the operator is still to be told, and the end comes again.
func TestNumbersOfDebts(t *testing.T) {
	bubble(t, func(r *rig) {
		r.limit = time.Second
		r.handles(exits(65))
		r.notify = func(ctx context.Context, _ job.Record, _ []byte) error {
			<-ctx.Done()

			return ctx.Err()
		}
		r.inbox("a", "b")
		r.start()
		r.stops()

		if err := os.Remove(r.disk.Path(job.FailedFolder, "a")); err != nil { // back to the inbox, perhaps
			r.Fatal(err)
		}

		before := r.heard.told()
		r.heard.ended = nil
		r.restart()
		r.start()

		if again := r.heard.told(); !slices.Equal(before, again) {
			r.Errorf("told %v, then %v", before, again)
		}

		r.stops()
	})
}

func TestPauseSpool(t *testing.T) {
	bubble(t, func(r *rig) {
		pause := func(paused bool) {
			r.Helper()

			if err := r.pool.PauseSpool(r.Context(), paused); err != nil || r.pool.Paused() != paused {
				r.Errorf("pause %t: %v", paused, err)
			}

			synctest.Wait()
		}

		r.cfg.Workers = 2
		r.handles(r.works(time.Minute, job.Exit{Code: 1}, killed()))
		r.inbox("a")
		r.start()
		pause(true)
		r.inbox("b")
		r.pass(time.Hour)
		r.runs("a", 1) // what runs goes on
		r.want("deferred/a", "inbox/b")

		if !r.pool.Idle(r.Context()) {
			r.Error("not idle while nothing may begin")
		}

		if why, ok := r.pool.Explain(r.Context(), "b"); !ok || why.Text != "the spool is paused" {
			r.Errorf("explain %+v, %t", why, ok)
		}

		r.stops()
		r.restart()
		r.start()

		if !r.pool.Paused() {
			r.Error("forgotten")
		}

		r.pass(time.Hour)
		r.want("deferred/a", "inbox/b")
		r.handles(exits(78))
		pause(false)
		r.pass(time.Second)

		if r.pool.Counts().Broken == "" {
			r.Error("the handler is not broken")
		}

		r.handles(exits(0))

		r.drop(job.InboxFolder, "c", "c")
		pause(false) // all that waited for the handler is tried at once
		r.pass(100 * time.Millisecond)
		r.want("done/a", "done/b", "done/c")
		r.stops()
	})
}

// TestFrozenJobsDoNotHoldUp: a run that ends when all is done does not wait for them.
func TestFrozenJobsDoNotHoldUp(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(r.works(time.Second, job.Exit{}, killed()))
		r.inbox("a")
		r.start()

		if r.pool.Idle(r.Context()) {
			r.Error("idle while a job runs")
		}

		r.steers(r.id("a"), job.Pause, "paused")
		r.pass(20 * time.Second)

		if !r.pool.Idle(r.Context()) {
			r.Error("never idle")
		}

		r.stops()
		r.want("deferred/a")
	})
}
