package journal_test

import (
	"fmt"
	"strings"
	"testing"

	"importerd/internal/job"
	"importerd/internal/journal"
)

func TestFind(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())

	var recs []job.Record

	for _, text := range []string{
		"01a20000-0000-7000-8000-aaaaaaaaaaaa",
		"01a20000-0000-7000-8000-bbbbbbaaaaaa",
		"01a2ffff-ffff-7fff-bfff-ffffffffffff",
	} {
		rec := plain(text)

		id, err := job.ParseID(text)
		must(t, err)

		rec.ID = id
		recs = append(recs, rec)
	}

	must(t, j.Note(recs...))

	for part, want := range map[string]string{
		recs[0].ID.String():                    "0",
		"01a200":                               "01",
		"01a2":                                 "012",
		"aaaaaa":                               "01",
		"bbaaaaaa":                             "1",
		"01a2ffff-ffff-7fff-bfff-ffffffffffff": "2",
		"ffffff":                               "2",
		"8000-aa":                              "",
		"0000-0":                               "",
		"______":                               "",
		"%":                                    "",
	} {
		ids, err := j.Find(part, 10)
		must(t, err)

		got := ""

		for _, id := range ids {
			for i, rec := range recs {
				if rec.ID == id {
					got += fmt.Sprint(i)
				}
			}
		}

		if got != want {
			t.Errorf("%s finds %q, want %q", part, got, want)
		}
	}

	if ids, err := j.Find("01a2", 2); err != nil || len(ids) != 2 {
		t.Errorf("of three two are asked for: %v, %v", ids, err)
	}
}

func TestAllGoesOnBeyondOnePart(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())

	const n = 2500

	recs := make([]job.Record, n)
	for i := range recs {
		recs[i] = plain(fmt.Sprint(i))
	}

	must(t, j.Note(recs...))

	odd := func(name string) bool { return strings.ContainsAny(name[len(name)-1:], "13579") }

	for _, c := range []struct {
		query journal.Query
		want  int
	}{
		{journal.Query{}, n},
		{journal.Query{Limit: 1000}, 1000},
		{journal.Query{Limit: 1001}, 1001},
		{journal.Query{Limit: 9999}, n},
		{journal.Query{Match: odd}, n / 2},
		{journal.Query{State: job.Done}, 0},
	} {
		got, last := 0, int64(n+1)

		for e, err := range j.All(c.query) {
			must(t, err)

			if got++; e.Seq >= last {
				t.Fatalf("%d follows %d", e.Seq, last)
			}

			last = e.Seq
		}

		if got != c.want {
			t.Errorf("%d jobs, want %d", got, c.want)
		}
	}

	must(t, j.Close())

	for _, err := range j.All(journal.Query{}) {
		if err == nil {
			t.Error("a closed journal is listed")
		}
	}

	if _, err := j.Find("01a200", 1); err == nil {
		t.Error("a closed journal is searched")
	}
}
