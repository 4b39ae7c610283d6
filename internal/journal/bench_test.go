package journal_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// BenchmarkCommit measures durable commits of one record each by several
// callers, beside the history that the journal holds.
func BenchmarkCommit(b *testing.B) {
	for _, history := range []int{0, 1_000_000} {
		j := open(b, b.TempDir())
		grow(b, j, history)

		for _, callers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("history=%d/callers=%d", history, callers), func(b *testing.B) {
				commitAll(b, j, callers)
			})
		}
	}
}

func commitAll(b *testing.B, j *journal.Journal, callers int) {
	next := make(chan int)

	var group sync.WaitGroup

	for range callers {
		group.Go(func() {
			for n := range next {
				for range n {
					rec := ended(plain("orders-2024.csv"), job.Done)
					rec.Cursor = j.NextCursor()

					if err := j.Commit(rec); err != nil {
						b.Error(err)

						return
					}
				}
			}
		})
	}

	const chunk = 16

	before := cpu(b)

	b.ResetTimer()

	for left := b.N; left > 0; left -= chunk {
		next <- min(chunk, left)
	}

	close(next)
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpu returns what the process has used so far: that says more than the clock
// where the machine has other things to do.
func cpu(b *testing.B) time.Duration {
	b.Helper()

	var usage unix.Rusage

	must(b, unix.Getrusage(unix.RUSAGE_SELF, &usage))

	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// grow fills a journal with jobs that have ended.
func grow(b testing.TB, j *journal.Journal, n int) {
	b.Helper()

	for done := 0; done < n; {
		recs := make([]job.Record, 0, 1000)
		for ; len(recs) < 1000 && done < n; done++ {
			rec := ended(plain(fmt.Sprintf("orders-%d.csv", done)), job.Done)
			rec.Cursor = j.NextCursor()
			recs = append(recs, rec)
		}

		if err := j.Note(recs...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLife measures a job's way as the pool records it: claim, start,
// outcome, confirmation.
func BenchmarkLife(b *testing.B) {
	j := open(b, b.TempDir())

	for b.Loop() {
		rec := plain("orders-2024.csv")
		rec.Moving = &job.Move{From: job.InboxFolder, File: rec.Name, To: job.ProcessingFolder, Name: rec.Name, ID: rec.ID}
		must(b, j.Note(rec))

		rec.Moving = nil
		must(b, j.Note(rec))

		rec = ended(rec, job.Done)
		rec.Cursor = j.NextCursor()
		rec.Moving = &job.Move{From: job.ProcessingFolder, File: rec.Name, To: job.DoneFolder, Name: rec.Name, ID: rec.ID}
		must(b, j.Commit(rec))

		rec.Moving = nil
		must(b, j.Note(rec))
	}
}

func BenchmarkNote(b *testing.B) {
	j := open(b, b.TempDir())

	for b.Loop() {
		must(b, j.Note(plain("orders-2024.csv")))
	}
}

func BenchmarkUnderWay(b *testing.B) {
	j := open(b, b.TempDir())
	must(b, j.Note(plain("a")))

	for b.Loop() {
		j.UnderWay("a")
	}
}

func BenchmarkDue(b *testing.B) {
	j := open(b, b.TempDir())

	rec := plain("a")
	rec.State = job.Deferred
	must(b, j.Note(rec))

	for b.Loop() {
		due, _, err := j.Due(time.Now(), 1)
		if err != nil || len(due) != 1 {
			b.Fatal(due, err)
		}
	}
}
