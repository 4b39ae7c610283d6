package process_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/process"
)

func TestRecovery(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.ProcessingFolder, "p", "p")
		r.drop(job.ProcessingFolder, "both", "processing")
		r.drop(job.DeferredFolder, "d", "d")
		r.drop(job.DeferredFolder, "both", "deferred")

		for _, folder := range []job.Folder{job.ProcessingFolder, job.DeferredFolder} {
			if err := os.Mkdir(r.disk.Path(folder, "dir"), 0o700); err != nil {
				r.Fatal(err)
			}
		}

		if err := os.Symlink("/etc/passwd", r.disk.Path(job.ProcessingFolder, "link")); err != nil {
			r.Fatal(err)
		}

		r.start()
		r.pass(time.Minute)
		r.said(2, "job interrupted")
		r.order("move processing/p to deferred/p", "sync [processing deferred]", "job interrupted", "run p attempt 1")
		r.said(4, "job done")
		r.said(2, "not a file")

		if got := r.names(job.DoneFolder); len(got) != 4 {
			r.Errorf("files %v", r.files())
		}

		if got := r.names(job.DeferredFolder); len(got) != 1 || got[0] != "dir" {
			r.Errorf("files %v", r.files())
		}

		r.runs("both", 2)
		r.stops()
	})
}

func TestRecoverAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		for _, name := range []string{"a", "b", "c"} {
			r.drop(job.ProcessingFolder, name, name)
			r.drop(job.DeferredFolder, "d"+name, name)
		}

		pool := r.build()

		for range 2 { // of one pool, in which it fails in the middle
			moves := 0

			r.disk.breaks(func(call string) error {
				if strings.HasPrefix(call, "move") {
					moves++
				}

				if moves >= 2 {
					return job.ErrDisk
				}

				return nil
			})

			if err := pool.Recover(r.Context(), process.Past{Fresh: true}); !errors.Is(err, job.ErrDisk) {
				r.Errorf("Recover: %v", err)
			}
		}

		r.disk.breaks(nil)

		for range 2 { // well, also twice
			if err := pool.Recover(r.Context(), process.Past{Fresh: true}); err != nil {
				r.Errorf("Recover: %v", err)
			}
		}

		stages := r.stages
		ended := make(chan error, 1)

		go func() { ended <- pool.Run(stages.Intake(), r.Context()) }()

		r.pass(time.Minute)
		stages.Signal()

		if err := <-ended; err != nil {
			r.Errorf("Run: %v", err)
		}

		r.want("done/a", "done/b", "done/c", "done/da", "done/db", "done/dc")

		if got := len(r.book.with("run ")); got != 6 {
			r.Errorf("%d runs", got)
		}
	})
}

func TestRecoverIsCutOff(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.ProcessingFolder, "a", "a")

		ctx, cancel := context.WithCancel(r.Context())
		cancel()

		if err := r.build().Recover(ctx, process.Past{Fresh: true}); !errors.Is(err, context.Canceled) {
			r.Errorf("Recover: %v", err)
		}

		r.want("processing/a")
	})
}

func TestFileThatGoesAwayDuringRecovery(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.ProcessingFolder, "a", "a")
		r.disk.breaks(func(call string) error {
			if strings.HasPrefix(call, "move processing/a") {
				return os.Remove(r.disk.Path(job.ProcessingFolder, "a"))
			}

			return nil
		})
		r.start()
		r.want()
		r.said(1, "job failed", "vanished")
		r.stops()
	})
}

// TestFetchedJobWasNotInterrupted kills the daemon between the fetch of a
// deferred job and its next attempt: none was running that could have been
// interrupted, and no attempt is given back.
func TestFetchedJobWasNotInterrupted(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.ProcessingFolder, "f", "f")

		id := job.NewID()
		rec := job.Record{
			ID: id, Spool: "test", Name: "f", File: "f", State: job.Processing, Attempt: 1,
			CreatedAt: time.Now(), StartedAt: time.Now(),
			Moving: &job.Move{From: job.DeferredFolder, File: "f", To: job.ProcessingFolder, Name: "f", ID: id},
		}

		if err := r.ledger.Note(rec); err != nil {
			r.Fatal(err)
		}

		r.start()
		r.pass(time.Minute)
		r.said(0, "job interrupted")
		r.order("run f attempt 2", "job done")
		r.stops()
	})
}
