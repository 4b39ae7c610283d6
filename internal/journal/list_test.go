package journal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
)

func TestListChooses(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())

	var recs []job.Record
	for i, state := range []job.State{job.Done, job.Failed, job.Deferred, job.Done, job.Terminated, job.Processing} {
		rec := plain(fmt.Sprintf("%d\xff\n", i))
		rec.CreatedAt = time.Unix(int64(1000+i), 0)

		if state.Ended() {
			rec = ended(rec, state)
			rec.FinishedAt = time.Unix(int64(2000+i), 0)
		}

		rec.State = state
		recs = append(recs, rec)
	}

	must(t, j.Note(recs...))

	all, err := j.List(journal.Query{})
	must(t, err)

	even := func(name string) bool { return strings.ContainsAny(name, "024") }
	cases := map[string]struct {
		query journal.Query
		want  []int
	}{
		"all":        {journal.Query{}, []int{5, 4, 3, 2, 1, 0}},
		"limit":      {journal.Query{Limit: 2}, []int{5, 4}},
		"before":     {journal.Query{Before: all[1].Seq, Limit: 2}, []int{3, 2}},
		"done":       {journal.Query{State: job.Done}, []int{3, 0}},
		"failed":     {journal.Query{State: job.Failed}, []int{1}},
		"terminated": {journal.Query{State: job.Terminated}, []int{4}},
		"deferred":   {journal.Query{State: job.Deferred}, []int{2}},
		"paused":     {journal.Query{State: job.Paused}, nil},
		"name":       {journal.Query{Name: "3\xff\n"}, []int{3}},
		"match":      {journal.Query{Match: even, Limit: 2}, []int{4, 2}},
		"since":      {journal.Query{Since: time.Unix(1005, 0)}, []int{5, 4, 3, 1, 0}},
		"both":       {journal.Query{Match: even, State: job.Done}, []int{0}},
	}

	for name, c := range cases {
		list, err := j.List(c.query)
		must(t, err)

		var want []job.ID
		for _, i := range c.want {
			want = append(want, recs[i].ID)
		}

		if !slices.Equal(ids(list), want) {
			t.Errorf("%s: got %d jobs, want %v", name, len(list), c.want)
		}
	}
}

func TestPagesAreStable(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	grow(t, j, 100)

	first, err := j.List(journal.Query{})
	must(t, err)

	var got []job.ID

	query := journal.Query{Limit: 7}

	for {
		page, err := j.List(query)
		must(t, err)

		if len(page) == 0 {
			break
		}

		got = append(got, ids(page)...)
		query.Before = page[len(page)-1].Seq

		grow(t, j, 5)
		must(t, j.Note(first[50].Record)) // an old one changes
	}

	if !slices.Equal(got, ids(first)) {
		t.Errorf("got %d jobs in pages, want the %d that were there, in order", len(got), len(first))
	}
}

func TestEndedGivesTheOldestOfAState(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	start := time.Unix(1_000_000, 0)

	var recs []job.Record
	for i := range 12 {
		rec := ended(plain("a"), []job.State{job.Done, job.Failed, job.Terminated}[i%3])
		rec.CreatedAt, rec.FinishedAt = start.Add(time.Duration(i)*time.Hour), start.Add(time.Duration(i+1)*time.Hour)
		recs = append(recs, rec)
	}

	recs[3].FinishedAt = start.Add(100 * time.Hour) // took long
	recs[4].Moving = &job.Move{From: job.ProcessingFolder, To: job.FailedFolder, ID: recs[4].ID}
	must(t, j.Note(append(recs, plain("open"))...))

	for state, want := range map[job.State][]int{job.Done: {0, 6}, job.Failed: {1, 7}, job.Terminated: {2, 5, 8}} {
		list, err := j.Ended(state, start.Add(10*time.Hour), 3)
		must(t, err)

		if len(list) != len(want) {
			t.Fatalf("%s: got %d jobs, want %v", state, len(list), want)
		}

		for i, e := range list {
			if e.ID != recs[want[i]].ID {
				t.Errorf("%s: wrong job at %d", state, i)
			}
		}
	}
}

func TestRemovedJobsAreGoneAndTheirPlacesNotReused(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	grow(t, j, 10)

	list, err := j.List(journal.Query{})
	must(t, err)
	must(t, j.Remove(append(ids(list)[:5], job.NewID())...))
	must(t, j.Close())

	j = open(t, dir)
	grow(t, j, 1)

	if n := j.Counts()[job.Done]; n != 6 {
		t.Errorf("%d jobs are counted, want 6", n)
	}

	now, err := j.List(journal.Query{})
	must(t, err)

	if len(now) != 6 || now[0].Seq <= list[0].Seq {
		t.Errorf("%d jobs; the new one has seq %d, the removed one had %d", len(now), now[0].Seq, list[0].Seq)
	}

	if tally, err := j.Tally(); err != nil || tally[job.Done] != 6 {
		t.Errorf("tally is %v, %v", tally, err)
	}
}

// A search goes on over many pages of names, and holds nothing of the database while it
// matches: else more searches in each other than there are connections would never end.
func TestMatchingHoldsNothing(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	grow(t, j, 2500)

	list, err := j.List(journal.Query{Match: func(name string) bool { return strings.HasSuffix(name, "00.csv") }})
	must(t, err)

	if len(list) != 24 {
		t.Errorf("%d jobs, not 24", len(list))
	}

	var search func(depth int)

	search = func(depth int) {
		_, err := j.List(journal.Query{Limit: 1, Match: func(string) bool {
			if depth > 0 {
				search(depth - 1)
			}

			return true
		}})
		must(t, err)
	}

	search(10)
}
