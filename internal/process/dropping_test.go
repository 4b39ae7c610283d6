package process_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

func TestDroppings(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 2
		gates := map[string]chan struct{}{
			"a": make(chan struct{}), "b": make(chan struct{}), "c": make(chan struct{}),
		}
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			for _, name := range []string{".temp-" + task.Job.Name, "extra-" + task.Job.Name} {
				if err := os.WriteFile(filepath.Join(filepath.Dir(task.Path), name), []byte("x"), 0o600); err != nil {
					r.Error(err)
				}
			}

			if err := os.Mkdir(filepath.Join(filepath.Dir(task.Path), "dir-"+task.Job.Name), 0o700); err != nil {
				r.Error(err)
			}

			<-gates[task.Job.Name]

			return job.Exit{}
		})
		r.inbox("a")
		r.start()
		r.pass(time.Minute)
		r.inbox("b")
		r.pass(time.Minute)
		r.want("processing/a", "processing/.temp-a", "processing/extra-a", "processing/dir-a",
			"processing/b", "processing/.temp-b", "processing/extra-b", "processing/dir-b")
		close(gates["b"])
		r.pass(time.Minute) // a may own what b has left, as far as anybody knows
		r.inbox("c")
		r.pass(time.Minute)
		close(gates["a"])
		r.pass(time.Minute) // c is too young to own any of it
		r.want("done/a", "done/b", "processing/c", "processing/.temp-c", "processing/extra-c", "processing/dir-c",
			"failed/.temp-a", "failed/extra-a", "failed/.temp-b", "failed/extra-b")
		close(gates["c"])
		r.stops()
		r.runs("extra-a", 0)
		r.said(3, "not a file", "dir-")
		r.said(6, "job failed", "left in processing/")

		if got := len(r.names(job.FailedFolder)); got != 6 {
			r.Errorf("failed/ holds %v", r.names(job.FailedFolder))
		}
	})
}

func TestDroppingThatGoesAwayIsNoNews(t *testing.T) {
	bubble(t, func(r *rig) {
		r.start()
		r.disk.breaks(func(call string) error {
			if strings.HasPrefix(call, "note left=") {
				return os.Remove(r.disk.Path(job.ProcessingFolder, "left"))
			}

			return nil
		})
		r.drop(job.ProcessingFolder, "left", "x")
		r.pass(time.Minute)
		r.said(0, "job failed")
		r.want()

		if c := r.pool.Counts(); c.Failed != 0 || c.Committing != 0 {
			r.Errorf("counts %+v", c)
		}

		r.stops()
	})
}

func TestDroppingDoesNotTakeTheNameOfANewFile(t *testing.T) {
	bubble(t, func(r *rig) {
		gate := make(chan struct{})
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			if task.Job.Name == "a" {
				if err := os.WriteFile(filepath.Join(filepath.Dir(task.Path), "b"), []byte("left"), 0o600); err != nil {
					r.Error(err)
				}

				<-gate
			}

			return job.Exit{}
		})
		r.inbox("a")
		r.start()
		r.inbox("b")
		r.pass(time.Minute)
		close(gate)
		r.pass(time.Minute)
		r.want("done/a", "done/b", "failed/b")

		if r.text(job.DoneFolder, "b") != "b" {
			r.Error("the dropping was handled")
		}

		r.stops()
	})
}

func TestDroppingGoesAsSoonAsNothingRuns(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			if err := os.WriteFile(task.Path+".out", nil, 0o600); err != nil {
				r.Error(err)
			}

			return job.Exit{}
		})
		r.inbox("a")
		r.start()
		r.pass(20 * time.Millisecond)
		r.want("done/a", "failed/a.out")
		r.stops()
	})
}

func TestDroppingOfAnAttemptThatBeganDuringTheSurvey(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 2
		gates := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})}
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			if err := os.WriteFile(task.Path+".out", nil, 0o600); err != nil {
				r.Error(err)
			}

			<-gates[task.Job.Name]

			return job.Exit{}
		})
		r.inbox("a")
		r.start()

		release := r.disk.hold("names processing")

		r.pass(15 * time.Second) // the survey has begun
		r.inbox("b")
		synctest.Wait()
		release()
		synctest.Wait()
		close(gates["a"])
		r.pass(time.Minute)
		r.want("done/a", "processing/a.out", "processing/b", "processing/b.out")
		close(gates["b"])
		r.stops()
	})
}

func TestDroppingIsKnownAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.start()
		r.drop(job.ProcessingFolder, "left", "text")
		r.pass(time.Minute)
		r.stops()

		f, err := r.disk.Stat(job.FailedFolder, "left")
		if err != nil {
			r.Fatal(err)
		}

		jobs, err := r.ledger.Ended(job.Failed, time.Now(), 2)
		if err != nil || len(jobs) != 1 || !jobs[0].Seen.Untouched(f) {
			r.Errorf("the journal has %+v, %v; the file is %+v", jobs, err, f)
		}
	})
}
