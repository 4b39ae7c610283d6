package process_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/job"
)

// flushing brings it about that a is being flushed and is to be claimed then; the
// function lets the flush end.
func (r *rig) flushing() func() {
	r.Helper()

	release := r.disk.hold("flush inbox/a")
	r.inbox("a")
	r.start()

	if c := r.pool.Counts(); c.Queued != 1 || c.Running != 0 {
		r.Errorf("counts %+v", c)
	}

	return release
}

func TestPauseBetweenFlushAndClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.flushing()

		if err := r.pool.PauseSpool(r.Context(), true); err != nil {
			r.Fatal(err)
		}

		release()
		r.pass(time.Minute)
		r.want("inbox/a")

		if err := r.pool.PauseSpool(r.Context(), false); err != nil {
			r.Fatal(err)
		}

		r.pass(time.Minute)
		r.want("done/a")
		r.runs("a", 1)
		r.stops()
	})
}

func TestDrainBetweenFlushAndClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.flushing()
		r.stages.Signal()
		synctest.Wait()
		release()

		if err := <-r.ended; err != nil {
			r.Error(err)
		}

		r.want("inbox/a")
	})
}

// TestDrainDuringALongFlush: it is not waited for.
func TestDrainDuringALongFlush(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.flushing()
		began := time.Now()
		r.stops()

		if took := time.Since(began); took > time.Second {
			r.Errorf("the drain took %v", took)
		}

		release()
		synctest.Wait()
		r.want("inbox/a")
	})
}

// TestChangeBetweenFlushAndClaim: the file may not be ready under the new rules.
func TestChangeBetweenFlushAndClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.flushing()
		r.changes(r, nil)
		release()
		r.pass(time.Minute)
		r.want("done/a")
		r.order("flush inbox/a", "look a", "claim a", "run a")
		r.runs("a", 1)
		r.stops()
	})
}

// many puts files in the inbox that are more than are claimed ahead.
func (r *rig) many() int {
	r.Helper()

	const files = 150

	for i := range files {
		r.inbox(fmt.Sprintf("n%03d", i))
	}

	r.pass(time.Second)

	return files
}

// TestFlushedWhenClaimed: where attempts are quick no file is flushed long before its
// claim, and not more are taken over than the pool has room for.
func TestFlushedWhenClaimed(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.gate()
		files := r.many()

		claimed := len(r.names(job.ProcessingFolder)) - 1
		if claimed < 10 || claimed > files-10 {
			r.Fatalf("%d are claimed ahead", claimed)
		}

		if got := len(r.book.with("flush inbox/n")); got != claimed {
			r.Errorf("%d were flushed, %d claimed", got, claimed)
		}

		if c := r.pool.Counts(); c.Queued <= claimed || c.Queued >= files {
			r.Errorf("%d wait in the pool, %d of them claimed", c.Queued, claimed)
		}

		release()
		r.pass(time.Minute)

		if got := len(r.names(job.DoneFolder)); got != files+2 || len(r.book.with("run ")) != files+2 {
			r.Errorf("%d done, %d runs", got, len(r.book.with("run ")))
		}

		r.stops()
	})
}

func TestChangeGivesBackWhatIsNotFlushed(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.gate()
		files := r.many()
		claimed := len(r.names(job.ProcessingFolder)) - 1
		queued := r.pool.Counts().Queued
		looks := len(r.book.with("look n"))

		r.cfg.Workers = 2
		r.changes(r, nil)

		if got := len(r.book.with("look n")) - looks; got != queued-claimed {
			r.Errorf("%d were given back, want %d", got, queued-claimed)
		}

		release()
		r.pass(time.Minute)

		if got := len(r.names(job.DoneFolder)); got != files+2 {
			r.Errorf("%d done", got)
		}

		r.stops()
	})
}

// TestDrainLetsGoWhatIsNotFlushed: it lies in the inbox as before.
func TestDrainLetsGoWhatIsNotFlushed(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.gate()
		files := r.many()
		claimed := len(r.names(job.ProcessingFolder)) - 1

		r.stages.Signal()
		synctest.Wait()
		release()

		if err := <-r.ended; err != nil {
			r.Error(err)
		}

		if got := len(r.names(job.InboxFolder)); got != files-claimed || len(r.names(job.DeferredFolder)) != claimed {
			r.Errorf("%d in inbox/, want %d; files %q", got, files-claimed, r.files())
		}
	})
}

// TestSlowFlushAmongThoseClaimedTogether: the others do not wait for it.
func TestSlowFlushAmongThoseClaimedTogether(t *testing.T) {
	bubble(t, func(r *rig) {
		open := r.gate()
		release := r.disk.hold("flush inbox/n010")
		files := r.many()

		open()
		r.pass(time.Minute)

		if got := len(r.names(job.DoneFolder)); got != files+1 {
			r.Errorf("%d done", got)
		}

		r.runs("n010", 0)

		if c := r.pool.Counts(); c.Queued != 1 {
			r.Errorf("counts %+v", c)
		}

		release()
		r.pass(time.Minute)
		r.runs("n010", 1)
		r.stops()
	})
}

// TestExplainDuringALongFlush: no older one of its name is under way.
func TestExplainDuringALongFlush(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.flushing()
		r.pass(time.Second)

		if why, ok := r.pool.Explain(r.Context(), "a"); !ok || why.Text != job.ReasonReady {
			r.Errorf("%+v, %t", why, ok)
		}

		release()
		r.pass(time.Second)
		r.want("done/a")
		r.stops()
	})
}
