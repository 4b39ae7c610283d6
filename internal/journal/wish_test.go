package journal_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// TestWishStaysUntilItComesAbout looks after each step with the journal opened anew.
func TestWishStaysUntilItComesAbout(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	rec := plain("a")

	must(t, j.Note(rec))

	wants := func(wish job.Wish, state job.State) {
		t.Helper()

		for range 2 {
			e, err := j.Get(rec.ID)
			must(t, err)

			tally, err := j.Tally()
			must(t, err)

			if counts := j.Counts(); e.Wish != wish || e.Shown() != state || counts[state] != 1 || tally[state] != 1 {
				t.Errorf("wish %q, counts %v, tally %v; want %q, %s", e.Wish, counts, tally, wish, state)
			}

			must(t, j.Close())
			j = open(t, dir)
		}
	}

	must(t, j.Wish(job.WishPause, rec.ID))
	wants(job.WishPause, job.Paused)

	rec.Checkpoint, rec.Wish = "row 7", job.NoWish // as who recorded it last had it
	must(t, j.Note(rec))
	wants(job.WishPause, job.Paused)
	must(t, j.Wish(job.NoWish, rec.ID))
	wants(job.NoWish, job.Processing)
	must(t, j.Wish(job.WishTerminate, rec.ID))
	wants(job.WishTerminate, job.Processing)

	rec.State = job.Deferred
	must(t, j.Note(rec))
	wants(job.WishTerminate, job.Deferred)

	rec.State = job.Paused
	must(t, j.Note(rec))
	wants(job.NoWish, job.Paused)
	must(t, j.Wish(job.WishTerminate, rec.ID))
	wants(job.WishTerminate, job.Paused)
	must(t, j.Commit(ended(rec, job.Terminated)))
	wants(job.NoWish, job.Terminated)

	rec.State = job.Deferred // a retry: nothing is left of it
	must(t, j.Commit(rec))
	wants(job.NoWish, job.Deferred)
}

// TestWishIsForAllOrNone has one of several jobs that cannot be wished of.
func TestWishIsForAllOrNone(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	good, done := plain("good"), ended(plain("done"), job.Done)

	must(t, j.Note(good, done))

	var state *job.StateError

	if err := j.Wish(job.WishPause, good.ID, job.NewID()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown: %v", err)
	}

	err := j.Wish(job.WishTerminate, good.ID, done.ID)
	if !errors.As(err, &state) || *state != (job.StateError{ID: done.ID, State: job.Done, Verb: job.Terminate}) {
		t.Errorf("ended: %v", err)
	}

	if err := j.Wish("luck", good.ID); err == nil {
		t.Error("luck was wished")
	}

	must(t, j.Wish(job.WishPause)) // nobody

	for _, rec := range []job.Record{good, done} {
		if e, err := j.Get(rec.ID); err != nil || e.Wish != job.NoWish {
			t.Errorf("%s has wish %q, %v", rec.Name, e.Wish, err)
		}
	}
}

// TestWishDoesNotChangeWhatIsDue has wishes for jobs that wait.
func TestWishDoesNotChangeWhatIsDue(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	now := time.Now()
	rec := deferred("a", now.Add(time.Hour))

	must(t, j.Note(rec))
	must(t, j.Wish(job.WishTerminate, rec.ID))

	for n := range 2 {
		if due, next, err := j.Due(now, n); len(due) != 0 || !next.Equal(rec.DueAt) || err != nil {
			t.Errorf("due: %d jobs, next %v, %v", len(due), next, err)
		}
	}
}

// TestPausedJobsHaveNoTimeThatCounts has the clock set back.
func TestPausedJobsHaveNoTimeThatCounts(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	now := time.Now()
	rec := deferred("a", now.Add(time.Hour))
	rec.State = job.Paused

	must(t, j.Note(rec))
	must(t, j.CutDue(now))

	if e, err := j.Get(rec.ID); err != nil || !e.DueAt.Equal(rec.DueAt) {
		t.Errorf("due at %v, %v", e.DueAt, err)
	}

	if due, next, err := j.Due(now.Add(2*time.Hour), 1); len(due) != 0 || !next.IsZero() || err != nil {
		t.Errorf("due: %d jobs, next %v, %v", len(due), next, err)
	}
}

func TestPausedSpoolStaysPaused(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)

	for _, paused := range []bool{false, true, true, false} {
		if j.Paused() != paused {
			must(t, j.SetPaused(paused))
		}

		for range 2 {
			if j.Paused() != paused {
				t.Errorf("paused is %v, want %v", !paused, paused)
			}

			must(t, j.Close())
			j = open(t, dir)
		}
	}
}

// TestRetriedJobIsNotRemoved has a retry between the keeper's look and its removal.
func TestRetriedJobIsNotRemoved(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	failed, retried, moving := ended(plain("a"), job.Failed), ended(plain("b"), job.Failed), ended(plain("c"), job.Done)
	moving.Moving = &job.Move{From: job.ProcessingFolder, To: job.DoneFolder, ID: moving.ID}

	must(t, j.Note(failed, retried, moving))

	retried.State = job.Deferred
	must(t, j.Commit(retried))
	must(t, j.Remove(failed.ID, retried.ID, moving.ID))

	list, err := j.List(journal.Query{})
	must(t, err)

	if len(list) != 2 || list[0].ID != moving.ID || list[1].ID != retried.ID {
		t.Errorf("left are %v", ids(list))
	}

	if n := j.Counts(); n[job.Failed] != 0 || n[job.Deferred] != 1 || n[job.Done] != 1 {
		t.Errorf("counts %v", n)
	}
}
