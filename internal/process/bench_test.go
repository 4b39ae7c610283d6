package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
	"importerd/internal/process"
	"importerd/internal/spool"

	"github.com/rs/zerolog"
)

// BenchmarkShared takes files through a pool whose handler ends at once, as a worker with
// 16 jobs in flight. An operation is a job, from the inbox to done/.
func BenchmarkShared(b *testing.B) {
	bench(b, process.Config{Workers: 16, Shared: true}, crew{})
}

// BenchmarkOwn is the same with a lock for each job, as for commands.
func BenchmarkOwn(b *testing.B) {
	bench(b, process.Config{Workers: 2}, quick{})
}

// quick is a handler that ends at once.
type quick struct{}

// Run does nothing.
func (quick) Run(_ context.Context, task handler.Task) job.Exit {
	if task.Started != nil {
		task.Started(os.Getpid())
	}

	return job.Exit{}
}

// crew is a worker whose jobs end together.
type crew struct{ quick }

// Start does nothing.
func (crew) Start(s handler.Sink, attempts []*handler.Attempt) {
	go s.Ended(attempts)
}

// count is a teller that counts ends.
type count struct {
	ear

	left int
	done chan struct{} // closed by the finisher, the benchmark receives
}

func (c *count) Ended(job.Record) {
	if c.left--; c.left == 0 {
		close(c.done)
	}
}

func (c *count) Changed(job.Record, *float64)      {}
func (c *count) Started(job.Record, time.Time)     {}
func (c *count) Attempted(job.Record, job.Verdict) {}

// BenchmarkLone takes one file after the other through an idle pool. It measures from the
// moment at which the pool is given it to the start of its handler.
func BenchmarkLone(b *testing.B) {
	h := lone{begun: make(chan time.Time, 1)}
	waits := make([]time.Duration, 0, b.N)

	benchWith(b, process.Config{Workers: 16, Shared: true}, h, func(ready chan<- []job.File, files []job.File) {
		for i := range files {
			before := time.Now()
			ready <- files[i : i+1]
			waits = append(waits, (<-h.begun).Sub(before))

			<-time.After(2 * time.Millisecond)
		}
	})

	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2]), "p50-ns")
	b.ReportMetric(float64(waits[len(waits)*9/10]), "p90-ns")
}

// lone is a crew that tells when it was given something.
type lone struct {
	crew

	begun chan time.Time // Start sends, the benchmark receives; holds one
}

// Start does nothing.
func (l lone) Start(s handler.Sink, attempts []*handler.Attempt) {
	l.begun <- time.Now()

	l.crew.Start(s, attempts)
}

func bench(b *testing.B, cfg process.Config, h handler.Handler) {
	b.Helper()

	benchWith(b, cfg, h, func(ready chan<- []job.File, files []job.File) {
		for len(files) > 0 {
			n := min(len(files), 64)
			ready <- files[:n]
			files = files[n:]
		}
	})
}

// benchWith runs a pool to which feed gives the files.
func benchWith(b *testing.B, cfg process.Config, h handler.Handler, feed func(chan<- []job.File, []job.File)) {
	b.Helper()

	s, err := spool.Open(b.TempDir(), spool.Options{Name: "orders"})
	if err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() { _ = s.Close() })

	j := openJournal(b, s)

	cfg.Spool, cfg.Attempts, cfg.BeatEvery = "orders", 8, 10*time.Second
	cfg.Backoff = process.Backoff{Min: 2 * time.Second, Max: 10 * time.Minute}

	ready, told := make(chan []job.File), &count{left: b.N, done: make(chan struct{})}

	pool, err := process.New(cfg, process.Deps{
		Folders: s, Lister: s, Intake: s, Locks: s, Results: s, Papers: s, Reserve: s,
		Journal: j, Index: &ledger{Journal: j}, Births: j, Wishes: j, Teller: told,
		Handler: h, Ready: ready, Look: func(string) {}, Kill: make(chan struct{}),
		LoopPulse: still{}, FinishPulse: still{}, NotifyPulse: still{}, Log: zerolog.Nop(),
	})
	if err != nil {
		b.Fatal(err)
	}

	if err := pool.Recover(b.Context(), process.Past{Fresh: true}); err != nil {
		b.Fatal(err)
	}

	files := deliver(b, s)
	intake, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)

	b.ReportAllocs()
	b.ResetTimer()

	before := cpu(b)

	go func() { ended <- pool.Run(intake, b.Context()) }()

	feed(ready, files)

	<-told.done
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
	stop()

	if err := <-ended; err != nil {
		b.Error(err)
	}
}

// cpu returns how long our process has had a processor.
func cpu(b *testing.B) time.Duration {
	b.Helper()

	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}

	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// deliver puts a file into the inbox for each operation.
func deliver(b *testing.B, s *spool.Spool) []job.File {
	b.Helper()

	files := make([]job.File, 0, b.N)

	for i := range b.N {
		name := fmt.Sprintf("file-%06d.csv", i)
		if err := os.WriteFile(filepath.Join(s.Path(job.InboxFolder, ""), name), []byte(name), 0o600); err != nil {
			b.Fatal(err)
		}

		f, err := s.Probe(job.InboxFolder, name)
		if err != nil {
			b.Fatal(err)
		}

		files = append(files, f)
	}

	syscall.Sync() // as their producer would

	return files
}

// still is a pulse that nobody feels.
type still struct{}

func (still) Beat()    {}
func (still) Waiting() {}
func (still) Back()    {}
func (still) End()     {}
