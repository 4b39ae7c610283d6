package journal_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// wayGroup is how many jobs the pool claims together, and how many ends it records
// together in a backlog.
const wayGroup = 64

// BenchmarkWay measures what the journal costs a job on its way as the pool records
// it: claims in groups, starts one by one or in small groups, ends in groups and with
// each group the confirmation of the one before. Of each part it reports the time of
// the processor per job; of all together the clock, which contains the disk.
func BenchmarkWay(b *testing.B) {
	for _, history := range []int{0, 1_000_000} {
		j := open(b, b.TempDir())
		grow(b, j, history)

		for _, starts := range []int{1, 8} {
			b.Run(fmt.Sprintf("history=%d/starts=%d", history, starts), func(b *testing.B) {
				goWay(b, j, starts)
			})
		}
	}
}

func goWay(b *testing.B, j *journal.Journal, starts int) {
	b.ReportAllocs()

	var (
		claim, start, end time.Duration
		told              []job.Record
	)

	for range b.N {
		recs := claims(wayGroup)
		claim += spent(b, func() { must(b, j.Note(recs...)) })

		begin(recs)

		start += spent(b, func() {
			for at := 0; at < len(recs); at += starts {
				must(b, j.Note(recs[at:at+starts]...))
			}
		})

		finish(j, recs)

		end += spent(b, func() { must(b, j.Commit(append(told, recs...)...)) })

		told = recs
		for i := range told {
			told[i].Moving = nil
		}
	}

	must(b, j.Note(told...))

	jobs := float64(b.N * wayGroup)
	b.ReportMetric(float64(claim.Nanoseconds())/jobs, "claim-ns")
	b.ReportMetric(float64(start.Nanoseconds())/jobs, "start-ns")
	b.ReportMetric(float64(end.Nanoseconds())/jobs, "end-ns")
	b.ReportMetric(float64((claim+start+end).Nanoseconds())/jobs, "job-ns")
}

// spent returns the time of the processor that f took.
func spent(b *testing.B, f func()) time.Duration {
	b.Helper()

	before := cpu(b)

	f()

	return cpu(b) - before
}

// claims returns jobs as they are noted before their files are claimed.
func claims(n int) []job.Record {
	recs := make([]job.Record, n)

	for i := range recs {
		rec := plain("orders-2024-11-22.csv")
		rec.Attempt, rec.StartedAt = 0, time.Time{}
		rec.Moving = &job.Move{
			From: job.InboxFolder, File: rec.Name, To: job.ProcessingFolder, Name: rec.Name, ID: rec.ID,
		}
		recs[i] = rec
	}

	return recs
}

// begin makes jobs as they are before their handlers run.
func begin(recs []job.Record) {
	for i := range recs {
		rec := &recs[i]
		rec.Moving, rec.Attempt, rec.StartedAt = nil, 1, time.Now()
		rec.Seen.Ctime = rec.StartedAt
	}
}

// finish makes jobs as they are when their handlers have ended.
func finish(j *journal.Journal, recs []job.Record) {
	for i := range recs {
		rec := &recs[i]
		rec.State, rec.FinishedAt = job.Done, time.Now()
		rec.Exit = &job.Exit{Took: time.Millisecond}
		rec.Cursor = j.NextCursor()
		rec.Moving = &job.Move{
			From: job.ProcessingFolder, File: rec.File, To: job.DoneFolder, Name: rec.Name, ID: rec.ID,
		}
	}
}

// BenchmarkStartAlone measures how long a single start takes while nothing else is
// recorded: the handler waits for it.
func BenchmarkStartAlone(b *testing.B) {
	j := open(b, b.TempDir())
	recs := claims(b.N)

	must(b, j.Note(recs...))
	begin(recs)
	b.ResetTimer()

	for i := range recs {
		must(b, j.Note(recs[i]))
	}
}

// TestValuesOfOneStatement has values that grow, shrink, come, go and change their kind
// from row to row: a statement keeps them from one run to the next.
func TestValuesOfOneStatement(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	short, long := plain("a.csv"), full()
	other := full()
	long.ID, other.ID, other.Moving.ID, long.Moving = short.ID, short.ID, short.ID, nil
	other.Exit.Tail, other.Checkpoint, other.Error = bytes.Repeat([]byte("x"), 4096), strings.Repeat("y", 3000), ""
	other.Name, other.File, other.Exit.Signal, other.Exit.Err = strings.Repeat("n", 255), "", "", nil

	for i := range 4 {
		for _, rec := range []job.Record{short, long, other, long, short, other, short} {
			fresh := rec
			if fresh.ID = job.NewID(); fresh.Moving != nil {
				move := *fresh.Moving
				move.ID = fresh.ID
				fresh.Moving = &move
			}

			must(t, j.Note(rec, fresh))

			for _, want := range []job.Record{rec, fresh} {
				e, err := j.Get(want.ID)
				must(t, err)

				if d := differ(e.Record, want); d != "" {
					t.Errorf("round %d: %s", i, d)
				}
			}
		}
	}
}
