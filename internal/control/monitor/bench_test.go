package monitor

import (
	"strconv"
	"testing"

	"importerd/internal/job"
)

// BenchmarkEnded: what it costs to tell an end, with so many clients that do not read.
func BenchmarkEnded(b *testing.B) {
	for _, clients := range []int{0, 50, 500} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) {
			h := New(Options{})
			a := openSpool(h, "a", newBook())

			for range clients {
				newStream(h, "", resume{})
			}

			rec := job.Record{Spool: "a", Name: "a.csv", State: job.Done, Exit: &job.Exit{Tail: make([]byte, 4096)}}

			for b.Loop() {
				rec.ID = job.NewID()
				rec.Cursor++
				a.feed.Ended(rec)
			}
		})
	}
}

// BenchmarkLookup: what it costs to ask for as many jobs as one may.
func BenchmarkLookup(b *testing.B) {
	h := New(Options{})
	j := openReal(b, b.TempDir())
	a := openSpool(h, "a", j)

	b.Cleanup(func() {
		a.feed.Close()
		j.shut()
	})

	var ids []job.ID

	for range 100 {
		recs := make([]job.Record, 100)
		for i := range recs {
			recs[i] = job.Record{ID: job.NewID(), Spool: "a", Name: "a.csv", State: job.Done, Cursor: j.NextCursor()}
			ids = append(ids, recs[i].ID)
		}

		if err := j.Commit(recs...); err != nil {
			b.Fatal(err)
		}

		a.feed.Ended(recs[99])
	}

	for b.Loop() {
		s := newIDs(h, ids, resume{})

		got, err := s.fetch(true)
		if err != nil || len(got.messages) != batchSize {
			b.Fatal(len(got.messages), err)
		}

		s.close()
	}
}
