package journal_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// told records the end of a job with the next number.
func told(t *testing.T, j *journal.Journal, rec job.Record, state job.State) job.Record {
	t.Helper()

	rec = ended(rec, state)
	rec.Cursor = j.NextCursor()
	must(t, j.Commit(rec))

	return rec
}

// TestEndsAreToldInTheirOrder also after new starts, and once each.
func TestEndsAreToldInTheirOrder(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	a, b, c := plain("a"), plain("b"), plain("c")

	must(t, j.Note(a, b, c, ended(plain("before numbers were given"), job.Done)))

	wants := func(after int64, n int, want ...job.Record) {
		t.Helper()

		list, err := j.Told(after, n)
		must(t, err)

		var all []job.ID
		for _, rec := range want {
			all = append(all, rec.ID)
		}

		if !slices.Equal(ids(list), all) {
			t.Errorf("after %d: %v, want %v", after, ids(list), all)
		}
	}

	wants(0, 9)

	c = told(t, j, c, job.Done)
	a = told(t, j, a, job.Failed)
	b = told(t, j, b, job.Terminated)

	wants(0, 9, c, a, b)
	wants(0, 0, c, a, b)
	wants(0, 2, c, a)
	wants(c.Cursor, 9, a, b)
	wants(b.Cursor, 9)

	last := b.Cursor
	b.State, b.Cursor = job.Deferred, 0
	must(t, j.Commit(b))
	wants(0, 9, c, a)
	must(t, j.Close())

	j = open(t, dir)
	if e, err := j.Get(b.ID); err != nil || e.Cursor != last || j.LastCursor() != last {
		t.Errorf("the number of a retried one is %d, the last is %d, %v; want %d", e.Cursor, j.LastCursor(), err, last)
	}

	b = told(t, j, b, job.Done)
	wants(0, 9, c, a, b)
	wants(last, 9, b)

	stale := b
	stale.Cursor = 1
	must(t, j.Note(stale))
	wants(last, 9, b)
}

// TestNumbersOfEndsAreNotReused has the last ones removed.
func TestNumbersOfEndsAreNotReused(t *testing.T) {
	t.Parallel()

	for name, remove := range map[string]bool{"removed": true, "dropped": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := t.TempDir()
			j := open(t, dir)
			told(t, j, plain("a"), job.Done)
			last := told(t, j, plain("b"), job.Done)

			if remove {
				must(t, j.Remove(last.ID))
			} else {
				must(t, j.Drop(last.ID))
			}

			must(t, j.Close())

			j = open(t, dir)
			if n := j.NextCursor(); n <= last.Cursor {
				t.Errorf("got number %d after %d", n, last.Cursor)
			}
		})
	}
}

func TestNumbersAreGivenOnce(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())

	var (
		group sync.WaitGroup
		given [8][100]int64
	)

	for i := range given {
		group.Go(func() {
			for n := range given[i] {
				given[i][n] = j.NextCursor()
			}
		})
	}

	group.Wait()

	var all []int64
	for _, some := range given {
		all = append(all, some[:]...)
	}

	slices.Sort(all)

	if n := len(slices.Compact(all)); n != 800 || j.LastCursor() != all[799] {
		t.Errorf("%d numbers, the last %d", n, j.LastCursor())
	}

	rec := ended(plain("numbered elsewhere"), job.Done)
	rec.Cursor = 5000
	must(t, j.Commit(rec))

	if n := j.NextCursor(); n != 5001 {
		t.Errorf("got number %d after 5000", n)
	}
}

// TestToldLooksAtNoMoreThanItTells asks SQLite how it would look.
func TestToldLooksAtNoMoreThanItTells(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	grow(t, j, 100)

	var (
		db           = raw(t, dir)
		a, b, c, how any
	)

	must(t, db.QueryRow("EXPLAIN QUERY PLAN SELECT * FROM job WHERE cursor > 1"+
		" AND state IN ('done', 'failed', 'terminated') ORDER BY cursor LIMIT 9").Scan(&a, &b, &c, &how))

	if plan, _ := how.(string); !strings.Contains(plan, "INDEX job_told (cursor>?)") {
		t.Errorf("plan: %v", how)
	}
}

// TestEndedLooksBehindAClockThatWasAhead has the first jobs recorded with a clock
// that was years ahead.
func TestEndedLooksBehindAClockThatWasAhead(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	now := time.Now()

	var recs []job.Record

	for range 2000 {
		rec := ended(plain("ahead"), job.Done)
		rec.CreatedAt, rec.FinishedAt = now.AddDate(5, 0, 0), now.AddDate(5, 0, 0)
		recs = append(recs, rec)
	}

	old := ended(plain("old"), job.Done)
	old.CreatedAt, old.FinishedAt = now.Add(-2*time.Hour), now.Add(-2*time.Hour)
	odd := ended(plain("began ahead, ended after it was set right"), job.Done)
	odd.CreatedAt, odd.FinishedAt = now.AddDate(5, 0, 0), now.Add(-2*time.Hour)
	must(t, j.Note(append(recs, odd, old)...))

	list, err := j.Ended(job.Done, now.Add(-time.Hour), 9)
	must(t, err)

	if !slices.Equal(ids(list), []job.ID{odd.ID, old.ID}) {
		t.Errorf("got %d jobs", len(list))
	}
}
