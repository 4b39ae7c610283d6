package process_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// failsOnce brings the file a to failed/ after a checkpoint, and lets the next attempt
// succeed.
func (r *rig) failsOnce() job.ID {
	r.Helper()

	point := "half"

	r.handles(func(_ context.Context, task handler.Task) job.Exit {
		task.Report(handler.Report{Checkpoint: &point})

		return job.Exit{Code: 65}
	})
	r.inbox("a")
	r.start()
	r.want("failed/a")
	r.handles(func(_ context.Context, task handler.Task) job.Exit {
		if task.Job.Attempt != 1 || task.Job.Checkpoint != point {
			r.Errorf("begun with %+v", task.Job)
		}

		return job.Exit{}
	})

	return r.id("a")
}

func TestRetry(t *testing.T) {
	bubble(t, func(r *rig) {
		id := r.failsOnce()

		if got := r.names(job.ErrorsFolder); len(got) != 1 {
			r.Errorf("errors/ holds %v", got)
		}

		rec, err := r.pool.Steer(r.Context(), id, job.Retry)
		if err != nil || rec.State != job.Deferred || rec.Attempt != 0 || rec.Error != "" || rec.Exit != nil ||
			rec.Cursor != 0 || rec.Moving == nil && rec.File != "a" {
			r.Errorf("answered with %+v, %v", rec, err)
		}

		r.order("note a=failed", "note a=deferred", "move failed/a to deferred/a", "sync [failed deferred]")
		synctest.Wait()
		r.want("done/a")
		r.runs("a", 2)

		if got := r.names(job.ErrorsFolder); len(got) > 0 {
			r.Errorf("errors/ holds %v", got)
		}

		if ended := r.heard.ended; len(ended) != 2 || ended[0].Cursor >= ended[1].Cursor {
			r.Errorf("told %+v", ended)
		}

		r.stops()
	})
}

// TestRetryWithoutItsFile changes nothing.
func TestRetryWithoutItsFile(t *testing.T) {
	t.Parallel()

	for name, take := range map[string]func(r *rig){
		"taken away": func(r *rig) {
			if err := os.Remove(r.disk.Path(job.FailedFolder, "a")); err != nil {
				r.Error(err)
			}
		},
		"another one": func(r *rig) { r.drop(job.FailedFolder, "a", "another one") },
		"taken away in between": func(r *rig) {
			r.disk.breaks(func(call string) error {
				if failing("move failed/a", os.ErrNotExist)(call) != nil {
					return os.Remove(r.disk.Path(job.FailedFolder, "a"))
				}

				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				id := r.failsOnce()
				take(r)

				_, err := r.pool.Steer(r.Context(), id, job.Retry)

				var refused *job.StateError
				if !errors.As(err, &refused) || refused.State != job.Failed || refused.Why != "its file is gone" {
					r.Errorf("answered with %v", err)
				}

				r.steers(id, job.Retry, "!failed")
				r.pass(time.Hour)
				r.runs("a", 1)

				if got := r.state(id); got != "failed" || len(r.heard.ended) != 1 {
					r.Errorf("the job is %s, told %d times", got, len(r.heard.ended))
				}

				r.stops()
				r.restart()
				r.start()
				r.runs("a", 1)
				r.stops()
			})
		})
	}
}

func TestRetryWhereTheNameIsTaken(t *testing.T) {
	bubble(t, func(r *rig) {
		id := r.failsOnce()

		if err := r.pool.PauseSpool(r.Context(), true); err != nil {
			r.Fatal(err)
		}

		r.accepts("a", "upload")
		r.steers(id, job.Retry, "deferred")
		r.want("deferred/a", "deferred/"+job.WithID("a", id))

		if r.text(job.DeferredFolder, "a") != "upload" {
			r.Error("the upload has lost its name")
		}

		r.stops()
	})
}

// TestTwoRetries: one does it, the other finds it done.
func TestTwoRetries(t *testing.T) {
	bubble(t, func(r *rig) {
		id := r.failsOnce()
		release := r.disk.hold("note a=deferred")

		var both sync.WaitGroup

		for range 2 {
			both.Go(func() { r.book.add("answered %s", r.steer(id, job.Retry)) })
		}

		synctest.Wait()
		release()
		both.Wait()
		synctest.Wait()

		if got := len(r.book.with("answered deferred")); got != 1 || len(r.book.with("answered !failed")) > 0 {
			r.Errorf("%v", r.book.with("answered"))
		}

		r.runs("a", 2)
		r.want("done/a")

		if got := r.state(id); got != "done" {
			r.Errorf("the job is %s", got)
		}

		r.stops()
	})
}

// TestRetryBeforeTheOperatorIsTold: what is noted then must not undo the retry.
func TestRetryBeforeTheOperatorIsTold(t *testing.T) {
	bubble(t, func(r *rig) {
		r.notify = func(context.Context, job.Record, []byte) error {
			<-time.After(time.Minute)

			return nil
		}

		id := r.failsOnce()
		r.handles(r.works(time.Hour, job.Exit{}, killed()))
		r.steers(id, job.Retry, "deferred")
		r.pass(2 * time.Minute)

		if got := r.state(id); got != "processing" {
			r.Errorf("the job is %s", got)
		}

		r.pass(time.Hour)
		r.want("done/a")
		r.stops()
	})
}

// TestRetryThatWaitsForTheDisk: the disk does not take it at first.
func TestRetryThatWaitsForTheDisk(t *testing.T) {
	bubble(t, func(r *rig) {
		id := r.failsOnce()

		r.disk.breaks(failing("move failed/a", job.ErrDisk))
		r.steers(id, job.Retry, "!committing")
		r.want("failed/a")
		r.disk.breaks(nil)
		r.pass(time.Minute)
		r.want("done/a")
		r.stops()
	})
}
