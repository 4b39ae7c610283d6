package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

func TestUnflushableFileIsHeldUntilItChanges(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(failing("flush inbox/bad", job.ErrDisk))
		r.inbox("bad", "good")
		r.start()
		r.pass(time.Minute)
		r.want("inbox/bad", "done/good")
		r.disk.breaks(nil)
		r.pass(time.Minute)
		r.want("inbox/bad", "done/good") // a second flush would lie

		if c := r.pool.Counts(); c.Held != 1 || c.Disk != "" {
			r.Errorf("counts %+v", c)
		}

		if why, ok := r.pool.Explain(r.Context(), "bad"); !ok || why.Standing != job.Held {
			r.Errorf("explain %+v, %t", why, ok)
		}

		r.said(1, "file held")
		r.drop(job.InboxFolder, "bad", "whole again")
		synctest.Wait()
		r.want("done/bad", "done/good")
		r.pass(time.Minute)

		if c := r.pool.Counts(); c.Held != 0 {
			r.Errorf("counts %+v", c)
		}

		r.stops()
	})
}

func TestHeldFileThatIsTakenAwayIsForgotten(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(failing("flush inbox/bad", job.ErrDisk))
		r.inbox("bad")
		r.start()

		if err := os.Remove(r.disk.Path(job.InboxFolder, "bad")); err != nil {
			r.Fatal(err)
		}

		r.pass(time.Minute)

		if c := r.pool.Counts(); c.Held != 0 {
			r.Errorf("counts %+v", c)
		}

		r.stops()
	})
}

func TestTooManyHeldFilesStopClaims(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(failing("flush inbox/bad", job.ErrDisk))
		r.start()

		for i := range 4096 {
			r.drop(job.InboxFolder, fmt.Sprintf("bad-%d", i), "")
		}

		synctest.Wait()

		if c := r.pool.Counts(); c.Held != 4096 || c.Disk != "" {
			r.Fatalf("counts %+v", c)
		}

		r.inbox("bad-one-more")
		synctest.Wait()

		if c := r.pool.Counts(); c.Held != 4096 || c.Disk == "" {
			r.Errorf("counts %+v", c)
		}

		r.stops()
	})
}

// fails makes all calls that begin so fail with err, and counts them.
func (r *rig) fails(prefix string, err error) *atomic.Int64 {
	var tries atomic.Int64

	r.disk.breaks(func(call string) error {
		err := failing(prefix, err)(call)
		if err != nil {
			tries.Add(1)
		}

		return err
	})

	return &tries
}

func TestDiskRefuses(t *testing.T) {
	t.Parallel()

	for _, call := range []string{
		"claim", "lock", "make results", "note", "commit", "move processing", "publish results", "probe processing",
	} {
		t.Run(call, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Results, r.disk.bare = true, call == "probe processing"
				r.cfg.Workers = 4
				tries := r.fails(call, job.ErrDisk)

				for i := range 20 {
					r.inbox(fmt.Sprintf("f%02d", i))
				}

				r.start()
				r.pass(10 * time.Minute)

				if c := r.pool.Counts(); c.Disk == "" {
					r.Errorf("counts %+v", c)
				}

				// Each has up to twenty files; the wait grows to half a minute.
				if got := tries.Load(); got < 10 || got > 500 {
					r.Errorf("%d tries in ten minutes", got)
				}

				if claims := len(r.book.with("claim ")); call != "claim" && claims > 60 {
					r.Errorf("%d claims go on", claims)
				}

				r.disk.breaks(nil)
				r.pass(30 * time.Minute)

				if got := len(r.names(job.DoneFolder)); got != 20 {
					r.Errorf("%d done; files %v", got, r.files())
				}

				for i := range 20 {
					if name := fmt.Sprintf("f%02d", i); call != "probe processing" {
						r.runs(name, 1) // once the handler has ended it does not run again
					}
				}

				if got := len(r.book.with("run ")) - len(r.book.with("run ", "attempt 1")); got > 0 {
					r.Errorf("%d attempts used", got)
				}

				if again := len(r.book.with("disk takes")); again == 0 || again > 3 {
					r.Errorf("recovery is told %d times", again)
				}

				if c := r.pool.Counts(); c.Disk != "" {
					r.Errorf("counts %+v", c)
				}

				r.stops()
			})
		})
	}
}

func TestDeferredJobKeepsItsNameWhenItCannotBeTaken(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.DeferredFolder, "a", "a")
		r.disk.breaks(failing("move deferred", job.ErrDisk))
		r.start()
		r.pass(time.Minute)
		r.want("deferred/a")
		r.disk.breaks(nil)
		r.pass(time.Minute)
		r.want("done/a")
		r.runs("a", 1)
		r.stops()
	})
}

func TestDeferredFileThatIsTakenAwayHasFailed(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(1))
		r.inbox("a")
		r.start()

		if err := os.Remove(r.disk.Path(job.DeferredFolder, "a")); err != nil {
			r.Fatal(err)
		}

		r.pass(time.Minute)
		r.said(1, "job failed", "vanished")

		if c := r.pool.Counts(); c.Failed != 1 || c.Deferred != 0 {
			r.Errorf("counts %+v", c)
		}

		r.stops()
	})
}

func TestFileThatIsTakenAwayBeforeItIsDeferredHasFailed(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(1))
		r.disk.breaks(func(call string) error {
			if call == "note a=deferred" {
				return os.Remove(r.disk.Path(job.ProcessingFolder, "a"))
			}

			return nil
		})
		r.inbox("a")
		r.start()
		r.pass(time.Hour)
		r.said(1, "job failed", "exit 1", "vanished")
		r.runs("a", 1)

		if c := r.pool.Counts(); c.Failed != 1 || c.Deferred != 0 {
			r.Errorf("counts %+v", c)
		}

		r.stops()
	})
}

func TestTroubleAtTheEndOfTheDrain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(failing("move processing", job.ErrDisk))
		r.inbox("a")
		r.start()
		began := time.Now()

		if err := r.stop(); !errors.Is(err, job.ErrDisk) || errors.Is(err, job.ErrUntrusted) {
			r.Errorf("Run: %v", err)
		}

		if took := time.Since(began); took != r.limit {
			r.Errorf("the drain took %v", took)
		}

		r.want("processing/a")
		r.said(0, "job done")
		r.said(1, "outcome not written")
	})
}

func TestTroubleThatEndsDuringTheDrain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(failing("move processing", job.ErrDisk))
		r.inbox("a")
		r.start()
		r.stages.Signal()
		r.pass(30 * time.Second)
		r.disk.breaks(nil)

		if err := <-r.ended; err != nil {
			r.Errorf("Run: %v", err)
		}

		r.want("done/a")
		r.runs("a", 1)
	})
}

func TestUntrustedDiskEndsThePool(t *testing.T) {
	t.Parallel()

	for call, left := range map[string]string{"sync [processing done": "", "publish results": "processing/"} {
		t.Run(call, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Workers, r.cfg.Results = 3, true
				r.handles(func(ctx context.Context, task handler.Task) job.Exit {
					if task.Job.Name == "a" {
						return job.Exit{}
					}

					return sleeps(time.Hour, job.Exit{}, job.Exit{Code: -1, Signal: "SIGTERM"})(ctx, task)
				})
				r.inbox("long")
				r.start()
				r.disk.breaks(failing(call, job.ErrUntrusted))
				r.inbox("a", "b")
				r.pass(time.Minute)

				select {
				case err := <-r.ended:
					if !errors.Is(err, job.ErrUntrusted) {
						r.Errorf("Run: %v", err)
					}
				default:
					r.Fatal("Run goes on")
				}

				r.said(0, "job done")
				r.said(0, "job interrupted")
				r.said(1, "cannot be trusted")

				if got := r.files(); left != "" && !strings.Contains(fmt.Sprint(got), left+"a") {
					r.Errorf("files %v", got)
				}

				if r.text(job.ProcessingFolder, "long") == "" {
					r.Errorf("files %v", r.files())
				}

				r.stages.Signal()
			})
		})
	}
}

func TestClaimsGoOnBesideTheTryThatWorked(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 3
		r.handles(sleeps(time.Hour, job.Exit{}, job.Exit{Code: -1, Signal: "SIGTERM"}))
		r.disk.breaks(failing("claim", job.ErrDisk))
		r.inbox("a", "b", "c")
		r.start()
		r.disk.breaks(nil)
		r.pass(time.Minute)
		r.want("processing/a", "processing/b", "processing/c")
		r.said(1, "disk takes claims again")
		r.stops()
	})
}

func TestJobIsNotPickedWhileItsOutcomeIsWritten(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 2
		r.handles(exits(1, 0))
		release := r.disk.hold("move processing/a")
		r.inbox("a")
		r.start()
		before := r.beats.count()
		r.pass(time.Minute) // it is long due, as far as the journal knows

		if got := r.beats.count() - before; got > 100 {
			r.Errorf("the loop has come round %d times", got)
		}

		if r.text(job.ProcessingFolder, "a") == "" {
			r.Fatalf("files %v", r.files())
		}

		r.inbox("b") // others go on
		synctest.Wait()
		r.runs("b", 1)
		release()
		r.pass(gathers)
		r.want("done/a", "done/b")
		r.runs("a", 2)
		r.stops()
	})
}

func TestClaimsThatFailTogetherAreOneFailure(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 8
		began := make(chan struct{})
		r.disk.breaks(func(call string) error {
			if !strings.HasPrefix(call, "claim") {
				return nil
			}

			<-began

			return job.ErrDisk
		})

		for i := range 16 {
			r.inbox(fmt.Sprint(i))
		}

		r.start()
		close(began)
		synctest.Wait()
		r.pass(700 * time.Millisecond)

		if got := len(r.book.with("claim ")); got != 2 {
			r.Errorf("%d claims, want one and one try", got)
		}

		r.stops()
	})
}
