package journal_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"importerd/internal/job"
)

// deferred returns a job that waits; zero: it is due at once.
func deferred(name string, at time.Time) job.Record {
	rec := plain(name)
	rec.State, rec.DueAt = job.Deferred, at

	return rec
}

func TestDueGivesTheLongestDueFirst(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	now := time.Now()

	if due, next, err := j.Due(now, 1); len(due) != 0 || !next.IsZero() || err != nil {
		t.Errorf("an empty journal has %v due, next %v, %v", due, next, err)
	}

	a, b := deferred("a", now.Add(-time.Minute)), deferred("b", now.Add(-time.Hour))
	c, later := deferred("c", time.Time{}), deferred("later", now.Add(time.Hour))
	moving := deferred("moving", now.Add(-2*time.Hour))
	moving.Moving = &job.Move{From: job.ProcessingFolder, To: job.DeferredFolder, ID: moving.ID}
	must(t, j.Note(a, b, c, later, moving))

	check := func(n int, next time.Time, names ...string) {
		t.Helper()

		due, got, err := j.Due(now, n)
		must(t, err)

		var found []string
		for _, rec := range due {
			found = append(found, rec.Name)
		}

		if !slices.Equal(found, names) || !got.Equal(next) {
			t.Errorf("%d wanted: got %q, next %v; want %q, %v", n, found, got, names, next)
		}
	}

	for range 2 { // from the database, then from memory
		check(10, later.DueAt, "c", "b", "a")
		check(3, later.DueAt, "c", "b", "a")
		check(2, a.DueAt, "c", "b")
		check(0, now) // one is due at once
	}

	c.State = job.Processing
	must(t, j.Note(c))
	check(0, b.DueAt)
	check(1, a.DueAt, "b")

	a.State, b.State, moving.Moving = job.Processing, job.Processing, nil
	must(t, j.Note(a, b, moving))
	check(5, later.DueAt, "moving")

	moving.State = job.Processing
	must(t, j.Note(moving))
	check(5, later.DueAt)

	sooner := deferred("sooner", now.Add(time.Minute))
	must(t, j.Note(sooner))
	check(5, sooner.DueAt)
	must(t, j.Drop(sooner.ID))
	check(5, later.DueAt)
	must(t, j.Drop(later.ID))
	check(5, time.Time{})
}

func TestCutDueBringsLaterTimesDown(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	now := time.Now()
	limit := now.Add(10 * time.Minute)

	far := deferred("far", now.AddDate(300, 0, 0))
	must(t, j.Note(far, deferred("near", now.Add(time.Minute))))

	_, next, err := j.Due(now, 0)
	must(t, err)

	if !next.Equal(now.Add(time.Minute)) {
		t.Errorf("next is %v", next)
	}

	must(t, j.CutDue(limit))

	due, next, err := j.Due(limit, 5)
	must(t, err)

	if len(due) != 2 || due[0].Name != "near" || !due[1].DueAt.Equal(limit) || !next.IsZero() {
		t.Errorf("due: %v, next %v", due, next)
	}

	far.DueAt = now.Add(time.Hour)
	must(t, j.Note(far))
	must(t, j.CutDue(limit))

	far.Error = "as it was" // who notes it again does not know of the cut
	must(t, j.Note(far))

	if e, err := j.Get(far.ID); err != nil || !e.DueAt.Equal(far.DueAt) {
		t.Errorf("due at %v, want %v, %v", e.DueAt, far.DueAt, err)
	}
}

// TestCutDueBesideANote has both in one transaction: who notes a job again does not know
// of the cut that came a moment before.
func TestCutDueBesideANote(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	now := time.Now()
	far := deferred("far", now.Add(time.Hour))
	must(t, j.Note(far))
	must(t, j.CutDueAndNote(now.Add(time.Minute), far))

	if e, err := j.Get(far.ID); err != nil || !e.DueAt.Equal(far.DueAt) {
		t.Errorf("due at %v, %v; want %v, as it was noted last", e.DueAt, err, far.DueAt)
	}
}

func TestUnderWayUntilTheMoveIsConfirmed(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	first, second := plain("a"), plain("a")

	check := func(want bool, doing string) {
		t.Helper()

		if j.UnderWay("a") != want {
			t.Errorf("%s: under way is %v", doing, !want)
		}
	}

	check(false, "nothing")
	must(t, j.Note(first))
	check(true, "one")
	must(t, j.Note(second))

	first = ended(first, job.Done)
	first.Moving = &job.Move{From: job.ProcessingFolder, To: job.DoneFolder, ID: first.ID}
	must(t, j.Commit(first))
	must(t, j.Drop(second.ID))
	check(true, "move not confirmed")

	first.Moving = nil
	must(t, j.Note(first, first))
	check(false, "ended")

	must(t, j.Note(first)) // once more changes nothing

	if n := j.Counts()[job.Done]; n != 1 {
		t.Errorf("%d are done, want 1", n)
	}

	first.State = job.Deferred // as a retry does
	must(t, j.Note(first))
	check(true, "back")
}

func TestUnfinishedStreamsInOrder(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())

	var want []job.ID

	for i := range 600 { // several pages
		rec := plain(fmt.Sprint(i))

		switch i % 3 {
		case 0:
			rec = ended(rec, job.Failed)
		case 1:
			rec = ended(rec, job.Done)
			rec.Moving = &job.Move{From: job.ProcessingFolder, To: job.DoneFolder, ID: rec.ID}

			fallthrough
		default:
			want = append(want, rec.ID)
		}

		must(t, j.Note(rec))
	}

	var got []job.ID

	for e, err := range j.Unfinished() {
		must(t, err)

		got = append(got, e.ID)

		e.Moving, e.State = nil, job.Done // as recovery does
		must(t, j.Note(e.Record))
	}

	if !slices.Equal(got, want) {
		t.Errorf("got %d jobs, want %d, or in another order", len(got), len(want))
	}
}
