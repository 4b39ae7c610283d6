package process_test

import (
	"os"
	"testing"
	"time"

	"importerd/internal/job"
)

// TestOldWorkers: as long as any worker of an earlier daemon lives, what was under way
// is left to it, and everything else goes on. We hold the locks ourselves.
func TestOldWorkers(t *testing.T) {
	t.Parallel()

	for name, fresh := range map[string]bool{"known": false, "journal lost": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				var locks []*os.File

				for range 2 {
					lock, err := r.disk.LockWorker(job.NewID())
					if err != nil {
						r.Fatal(err)
					}

					defer lock.Close()

					locks = append(locks, lock)
				}

				if fresh {
					r.drop(job.ProcessingFolder, "a", "a")
				} else {
					r.dies(running(), "processing/a")
				}

				r.drop(job.DeferredFolder, "b", "b")
				r.inbox("c")
				r.start()
				r.said(2, "old worker lives")
				r.pass(15 * time.Second)
				r.want("processing/a", "done/b", "done/c")

				if r.pool.Idle(r.Context()) {
					r.Error("idle while old workers may still end")
				}

				for i, lock := range locks {
					if err := lock.Close(); err != nil {
						r.Fatal(err)
					}

					r.pass(5 * time.Second)

					if i == 0 {
						r.want("processing/a", "done/b", "done/c")
					}
				}

				r.want("done/a", "done/b", "done/c")
				r.runs("a", 1)
				r.said(1, "job interrupted")
				r.stops()
			})
		})
	}
}

// TestIdleOldWorker: a worker that had nothing to do holds nothing up.
func TestIdleOldWorker(t *testing.T) {
	bubble(t, func(r *rig) {
		lock, err := r.disk.LockWorker(job.NewID())
		if err != nil {
			r.Fatal(err)
		}

		r.inbox("a")
		r.start()
		r.pass(time.Second)
		r.want("done/a")

		if !r.pool.Idle(r.Context()) {
			r.Error("not idle")
		}

		if err := lock.Close(); err != nil {
			r.Fatal(err)
		}

		r.pass(5 * time.Second)
		r.stops()

		if old, err := r.disk.OldHandlers(); err != nil || len(old) > 0 {
			r.Errorf("left: %v, %v", old, err)
		}
	})
}
