package worker_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"importerd/internal/handler/worker"
	"importerd/internal/job"
)

// BenchmarkWorker measures what one job costs on its way to a worker that does nothing
// and back, with so many under way.
func BenchmarkWorker(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}

	for _, inflight := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("inflight=%d", inflight), func(b *testing.B) {
			r := newRigOf(b, 1, inflight, func(string) []string { return []string{exe, "be-an-echo"} })

			b.ReportAllocs()
			b.SetParallelism(inflight)
			b.RunParallel(func(pb *testing.PB) {
				task := r.task("order.csv")

				for pb.Next() {
					task.Job.ID = job.NewID()

					if exit := r.Run(b.Context(), task); exit.Code != 0 {
						b.Errorf("ended with %+v", exit)
					}
				}
			})
		})
	}
}

// BenchmarkRequest measures how a line for a worker is made.
func BenchmarkRequest(b *testing.B) {
	r := newRigOf(b, 1, 1, func(string) []string { return []string{"true"} })
	task := r.task(strings.Repeat("order", 10) + ".csv")
	buf := make([]byte, 0, 1<<10)

	b.ReportAllocs()

	for b.Loop() {
		buf = worker.AppendRequest(buf[:0], &task)
	}
}

// BenchmarkAnswer measures how a line of a worker is read.
func BenchmarkAnswer(b *testing.B) {
	for name, line := range map[string]string{
		"short": `{"job": "019abf00-0000-7000-8000-000000000000", "exit": 0}`,
		"any":   `{"exit":75,"job":"019abf00-0000-7000-8000-000000000000","error":"later"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()

			for b.Loop() {
				if err := worker.ParseAnswer([]byte(line)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
