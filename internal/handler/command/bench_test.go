package command

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// BenchmarkAgainstBare runs a command that does nothing as an attempt, and in turn with
// nothing but start and reap, by two workers each. It tells the processor time of both,
// children's included, and how much of the attempts' the bare ones take.
func BenchmarkAgainstBare(b *testing.B) {
	program := needs(b, "true")

	againstBare(b, program, config(b, program))
}

// BenchmarkInCgroup is BenchmarkAgainstBare with a cgroup for each attempt.
func BenchmarkInCgroup(b *testing.B) {
	program := needs(b, "true")

	againstBare(b, program, grouped(b, config(b, program)))
}

func againstBare(b *testing.B, program string, c Config) {
	b.Helper()

	h := newHandler(b, c)
	task := newTask(b, "a.csv")
	task.Report = func(handler.Report) {}

	lock, err := os.Create(filepath.Join(b.TempDir(), "lock"))
	if err != nil {
		b.Fatal(err)
	}
	defer lock.Close()

	task.Lock = lock
	ours := func() error {
		task := task
		task.Job.ID = job.NewID() // names its cgroup

		return attempted(b.Context(), h, task)
	}
	bare := bareRun(b, program)

	var oursTook, bareTook time.Duration

	const some = 64

	n := 0
	for b.Loop() {
		oursTook += spentOn(b, some, ours)
		bareTook += spentOn(b, some, bare)
		n += 2 * some
	}

	b.ReportMetric(float64(oursTook.Microseconds())/float64(n), "us-cpu/attempt")
	b.ReportMetric(float64(bareTook.Microseconds())/float64(n), "us-cpu/bare")
	b.ReportMetric(bareTook.Seconds()/oursTook.Seconds(), "bare/attempt")
}

// attempted makes one attempt.
func attempted(ctx context.Context, h *Handler, task handler.Task) error {
	if exit := h.Run(ctx, task); exit.Code != 0 || exit.Err != nil {
		return errors.New("it has not ended well")
	}

	return nil
}

// bareRun returns what starts program and waits for it.
func bareRun(b *testing.B, program string) func() error {
	b.Helper()

	null, err := os.Open(os.DevNull)
	if err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() { _ = null.Close() })

	attr := &os.ProcAttr{Files: []*os.File{null, null, null}}

	return func() error {
		process, err := os.StartProcess(program, []string{program, "x"}, attr)
		if err == nil {
			_, err = process.Wait()
		}

		return err
	}
}

// spentOn has two goroutines call do n times each and returns what processor time that
// took, with that of the processes that were waited for.
func spentOn(b *testing.B, n int, do func() error) time.Duration {
	b.Helper()

	before := processorTime(b)

	var workers sync.WaitGroup

	for range 2 {
		workers.Go(func() {
			for range n {
				if err := do(); err != nil {
					b.Error(err)

					return
				}
			}
		})
	}

	workers.Wait()

	return processorTime(b) - before
}

// processorTime returns what this process and those that it has waited for have used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()

	var sum time.Duration

	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		if err := syscall.Getrusage(who, &used); err != nil {
			b.Fatal(err)
		}

		sum += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}

	return sum
}

func BenchmarkOutput(b *testing.B) {
	h := newHandler(b, shell(b, "head -c 100000000 /dev/zero"))
	task := newTask(b, "a.csv")
	b.SetBytes(100_000_000)

	for b.Loop() {
		h.Run(b.Context(), task)
	}
}
