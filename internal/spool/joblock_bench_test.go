package spool_test

import (
	"os"
	"testing"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// BenchmarkLock takes the lock of a job, notes a process in it and gives it back.
func BenchmarkLock(b *testing.B) {
	s, err := spool.Open(b.TempDir(), spool.Options{Name: "orders"})
	if err != nil {
		b.Fatal(err)
	}

	b.Cleanup(func() { _ = s.Close() })

	for b.Loop() {
		id := job.NewID()

		lock, err := s.LockJob(id, "orders-2026-11-22.csv")
		if err != nil {
			b.Fatal(err)
		}

		if err := s.NoteProcess(lock, os.Getpid()); err != nil {
			b.Fatal(err)
		}

		if err := s.UnlockJob(id, lock); err != nil {
			b.Fatal(err)
		}
	}
}
