package process_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

func TestOrderOfFinishing(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(65))
		r.notify = func(_ context.Context, rec job.Record, _ []byte) error {
			r.book.add("told %s", rec.Name)

			return nil
		}
		r.inbox("a.csv")
		r.start()
		r.pass(10 * time.Millisecond)
		r.order("note a.csv=processing", "claim a.csv", "lock a.csv", "run a.csv", "note a.csv=failed", "commit",
			"move processing/a.csv to failed/a.csv", "sync [processing failed]", "job failed|a.csv|exit 65")
		r.order("sync [processing failed]", "told a.csv")
		r.want("failed/a.csv")
		r.stops()
	})
}

// hold returns a way to make calls with a prefix wait, and to let them go.
func (d *disk) hold(prefix string) func() {
	gate := make(chan struct{})

	d.breaks(func(call string) error {
		if failing(prefix, errors.ErrUnsupported)(call) != nil {
			<-gate
		}

		return nil
	})

	return func() { close(gate) }
}

func TestFinishingIsGroupedAndFreesSlotsBefore(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.disk.hold("commit")
		r.inbox("a", "b", "c", "d")
		r.start() // with one worker: each needs the slot of the one before
		r.pass(10 * time.Millisecond)
		r.runs("d", 1)
		r.said(0, "job done")

		if c := r.pool.Counts(); c.Running != 0 || c.Committing != 4 {
			r.Errorf("counts %+v", c)
		}

		release()
		r.pass(gathers)

		if got := len(r.book.with("commit")); got > 2 {
			r.Errorf("%d commits, want one for those that came together and one for the others", got)
		}

		if got := len(r.book.with("sync [processing done]")); got > 2 {
			r.Errorf("%d flushes, want 2", got)
		}

		r.said(4, "job done")
		r.want("done/a", "done/b", "done/c", "done/d")
		r.stops()
	})
}

// TestFinishingOneAfterTheOther: the first waits for nothing, those that end just after it
// are written together.
func TestFinishingOneAfterTheOther(t *testing.T) {
	bubble(t, func(r *rig) {
		r.start()
		r.inbox("a")
		synctest.Wait()
		r.said(1, "job done")

		for _, name := range []string{"b", "c", "d"} {
			r.inbox(name)
			r.pass(time.Millisecond)
		}

		r.said(1, "job done")
		r.pass(5 * time.Millisecond)
		r.said(4, "job done")

		if got := len(r.book.with("sync [processing done]")); got != 2 {
			r.Errorf("%d flushes, want 2", got)
		}

		r.stops()
	})
}

// finishesFour brings four files to their end together.
func (r *rig) finishesFour() {
	r.Helper()

	gate := make(chan struct{})
	r.handles(func(context.Context, handler.Task) job.Exit {
		<-gate

		return job.Exit{}
	})
	r.cfg.Workers = 4
	r.inbox("a", "b", "c", "d")
	r.start()
	close(gate)
	synctest.Wait()
	r.said(4, "job done")
}

// TestFinishingUnderLoad: what ends after a group is written as soon as ever, so that a
// kill does not repeat it, but waits for others to be flushed and told with them: the
// longer the more the group had.
func TestFinishingUnderLoad(t *testing.T) {
	bubble(t, func(r *rig) {
		r.finishesFour()

		for _, name := range []string{"e", "f", "g"} {
			r.inbox(name)
			r.pass(6 * time.Millisecond)
			r.order("run "+name, "note "+name+"=done")
		}

		r.said(4, "job done")
		r.pass(2 * time.Millisecond)
		r.said(7, "job done")

		if got := len(r.book.with("sync [processing done]")); got != 2 {
			r.Errorf("%d flushes, want 2", got)
		}

		r.inbox("h") // not for ever
		r.pass(gathers)
		r.inbox("i")
		r.pass(time.Second)
		r.inbox("j")
		synctest.Wait()
		r.said(10, "job done")
		r.stops()
	})
}

// TestTroubleWhileOutcomesWait: what is written is flushed and told at once when the disk
// takes nothing more; what it does not take is tried again by and by.
func TestTroubleWhileOutcomesWait(t *testing.T) {
	bubble(t, func(r *rig) {
		r.finishesFour()

		tries := r.fails("note f=done", job.ErrDisk)

		r.inbox("e")
		r.pass(6 * time.Millisecond)
		r.said(4, "job done")
		r.inbox("f")
		r.pass(6 * time.Millisecond)
		r.said(5, "job done")

		if got := tries.Load(); got != 1 {
			r.Errorf("%d tries to write f, want 1 for now", got)
		}

		r.disk.breaks(nil)
		r.pass(time.Minute)
		r.said(6, "job done")
		r.runs("f", 1)
		r.stops()
	})
}

func TestNothingIsToldBeforeTheFolderIsFlushed(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.disk.hold("sync [processing done]")
		r.inbox("a")
		r.start()
		r.want("done/a")
		r.said(0, "job done")
		release()
		synctest.Wait()
		r.said(1, "job done")
		r.stops()
	})
}

func TestSameNameWaitsAndIsLookedAt(t *testing.T) {
	bubble(t, func(r *rig) {
		gate := make(chan struct{})
		r.handles(func(context.Context, handler.Task) job.Exit {
			<-gate

			return job.Exit{}
		})
		r.cfg.Workers = 4
		r.inbox("a.b.csv")
		r.start()
		r.drop(job.InboxFolder, "a.b.csv", "second")
		r.pass(20 * time.Second)
		r.want("inbox/a.b.csv", "processing/a.b.csv")
		r.runs("a.b.csv", 1)
		gate <- struct{}{}
		r.pass(10 * time.Millisecond) // too short for a sweep: Look has been called
		r.runs("a.b.csv", 2)
		close(gate)
		synctest.Wait()

		if got := r.names(job.DoneFolder); len(got) != 2 {
			r.Fatalf("done/ holds %v", got)
		}

		if r.text(job.DoneFolder, "a.b.csv") != "a.b.csv" {
			r.Error("the first one has lost its name")
		}

		r.stops()
	})
}

func TestTakenNamesInFailed(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.FailedFolder, "a.csv", "old")
		r.handles(exits(65))
		r.inbox("a.csv")
		r.start()

		if r.text(job.FailedFolder, "a.csv") != "old" || len(r.names(job.FailedFolder)) != 2 {
			r.Errorf("failed/ holds %v", r.names(job.FailedFolder))
		}

		r.stops()
	})
}

func TestSameNameWaitsForADeferredJob(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(1, 0, 0))
		r.inbox("a")
		r.start()
		r.drop(job.InboxFolder, "a", "second")
		synctest.Wait()
		r.want("deferred/a", "inbox/a")
		r.pass(time.Second)
		r.want("deferred/a", "inbox/a")
		r.pass(2 * time.Second)

		if r.text(job.DoneFolder, "a") != "a" || len(r.names(job.DoneFolder)) != 2 {
			r.Errorf("files %v", r.files())
		}

		r.stops()
	})
}

func TestNotifierTellsOneAtATimeInOrder(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(65))
		r.notify = func(ctx context.Context, rec job.Record, _ []byte) error {
			r.book.add("begin %s", rec.Name)

			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}

			r.book.add("end %s", rec.Name)

			return nil
		}
		r.start()

		for _, name := range []string{"a", "b", "c"} {
			r.inbox(name)
			synctest.Wait()
		}

		r.pass(500 * time.Millisecond)
		r.stops() // the rest is told during the drain
		r.order("begin a", "end a", "begin b", "end b", "begin c", "end c")
	})
}

func TestNotifierIsCutOffWithTheWork(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(65))
		r.notify = func(ctx context.Context, _ job.Record, _ []byte) error {
			<-ctx.Done()

			return ctx.Err()
		}
		r.inbox("a", "b")
		r.start()
		r.stages.Signal()
		r.pass(59 * time.Second)
		select {
		case err := <-r.ended:
			r.Fatalf("Run has ended: %v", err)
		default:
		}

		if err := <-r.ended; err != nil {
			r.Errorf("Run: %v", err)
		}

		r.said(2, "on_failed did not work")
	})
}
