package process_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// ends returns a handler that ends so.
func ends(exit job.Exit) handle {
	return func(context.Context, handler.Task) job.Exit { return exit }
}

// sleeps returns a handler that runs for d, or until it is asked to end, and
// then ends so.
func sleeps(d time.Duration, well, asked job.Exit) handle {
	return func(ctx context.Context, _ handler.Task) job.Exit {
		select {
		case <-time.After(d):
			return well
		case <-ctx.Done():
			return asked
		}
	}
}

func failedStart(errno syscall.Errno) job.Exit {
	return job.Exit{Code: -1, Err: fmt.Errorf("start: %w", errno)}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()

	term := job.Exit{Code: -1, Signal: "SIGTERM"}
	again := "deferred, attempt used"
	free := "deferred"
	broken := "broken"

	cases := map[string]struct {
		run  handle
		want string
	}{
		"exit 0":   {exits(0), "done"},
		"exit 1":   {exits(1), again},
		"exit 2":   {exits(2), again},
		"exit 64":  {exits(64), again},
		"exit 65":  {exits(65), "failed"},
		"exit 66":  {exits(66), "failed"},
		"exit 69":  {exits(69), free},
		"exit 75":  {exits(75), free},
		"exit 74":  {exits(74), again},
		"exit 78":  {exits(78), broken},
		"exit 126": {exits(126), broken},
		"exit 127": {exits(127), broken},
		"exit 128": {exits(128), again},
		"exit 255": {exits(255), again},
		"SIGKILL":  {ends(job.Exit{Code: -1, Signal: "SIGKILL"}), again},
		"SIGTERM":  {ends(term), again},
		"ENOENT":   {ends(failedStart(syscall.ENOENT)), broken},
		"EACCES":   {ends(failedStart(syscall.EACCES)), broken},
		"ENOEXEC":  {ends(failedStart(syscall.ENOEXEC)), broken},
		"EAGAIN":   {ends(failedStart(syscall.EAGAIN)), free},
		"ENOMEM":   {ends(failedStart(syscall.ENOMEM)), free},
		"EMFILE":   {ends(failedStart(syscall.EMFILE)), free},
		"ENFILE":   {ends(failedStart(syscall.ENFILE)), free},
		"ETXTBSY":  {ends(failedStart(syscall.ETXTBSY)), free},
		"time-out": {sleeps(time.Hour, job.Exit{}, term), again},
		"time-out among others": {
			sleeps(time.Hour, job.Exit{}, job.Exit{Code: -1, Err: handler.ErrShared}), free,
		},
		"time-out, exit 0":  {sleeps(time.Hour, job.Exit{}, job.Exit{}), "done"},
		"time-out, exit 65": {sleeps(time.Hour, job.Exit{}, job.Exit{Code: 65}), again},
		"time-out at start": {
			sleeps(time.Hour, job.Exit{}, job.Exit{Code: -1, Err: handler.ErrTimeout}), again,
		},
	}

	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Timeout = time.Minute
				r.handles(c.run)
				r.inbox("a")
				r.start()
				r.pass(time.Minute + 1500*time.Millisecond)
				r.stages.Signal()
				synctest.Wait()

				if got := r.verdict(); got != c.want {
					r.Errorf("%s, want %s", got, c.want)
				}
			})
		})
	}
}

// verdict says what has become of the file a.
func (r *rig) verdict() string {
	r.Helper()

	switch {
	case r.text(job.DoneFolder, "a") != "":
		return "done"
	case r.text(job.FailedFolder, "a") != "":
		return "failed"
	case r.pool.Counts().Broken != "":
		return "broken"
	}

	// The attempt after a free one has its number.
	verdict := "deferred"
	if r.text(job.DeferredFolder, "a") == "" {
		verdict = fmt.Sprint(r.files())
	}

	if r.pool.Counts().Later == 0 {
		verdict += ", attempt used"
	}

	return verdict
}

// starts returns a handler that writes down when it is run, and ends so.
func (r *rig) starts(exit func(attempt int) job.Exit) (handle, *[]time.Duration, *[]int) {
	var (
		waits    []time.Duration
		attempts []int
		last     = time.Now()
	)

	return func(_ context.Context, task handler.Task) job.Exit {
		waits = append(waits, time.Since(last))
		last = time.Now()
		attempts = append(attempts, task.Job.Attempt)

		return exit(task.Job.Attempt)
	}, &waits, &attempts
}

func TestAttemptsAndBackoff(t *testing.T) {
	bubble(t, func(r *rig) {
		run, waits, attempts := r.starts(func(int) job.Exit { return job.Exit{Code: 1, Tail: []byte("no\x1b[2J\n")} })
		r.handles(run)
		r.inbox("a")
		r.start()
		r.pass(2 * time.Hour)

		if got := fmt.Sprint(*attempts); got != "[1 2 3 4 5 6 7 8]" {
			r.Errorf("attempts %v", got)
		}

		want := []time.Duration{0, 2, 8, 32, 128, 512, 600, 600}
		for i, wait := range *waits {
			if middle := want[i] * time.Second; wait < middle*8/10 || wait > middle*12/10 {
				r.Errorf("wait %d is %v, want %v or so", i, wait, middle)
			}
		}

		r.want("failed/a")
		r.said(1, "job failed", "exit 1")
		r.said(7, "job deferred", "exit 1")

		if note := r.text(job.ErrorsFolder, "a.txt"); note == "" || r.book.index("\x1b[2J") >= 0 {
			r.Errorf("note %q", note)
		}

		r.stops()
	})
}

func TestRetryAfter(t *testing.T) {
	bubble(t, func(r *rig) {
		run, waits, attempts := r.starts(func(int) job.Exit { return job.Exit{Code: 1, RetryAfter: time.Hour} })
		r.handles(run)
		r.inbox("a")
		r.start()
		r.pass(time.Hour - 1)
		r.runs("a", 1)
		r.pass(time.Second)

		if (*waits)[1] != time.Hour || (*attempts)[1] != 2 {
			r.Errorf("waits %v, attempts %v", *waits, *attempts)
		}

		r.stops()
	})
}

func TestLaterIsWithoutEnd(t *testing.T) {
	bubble(t, func(r *rig) {
		run, waits, attempts := r.starts(func(int) job.Exit { return job.Exit{Code: 75} })
		r.handles(run)
		r.inbox("a")
		r.start()
		r.pass(3 * time.Hour)

		if len(*waits) < 15 || len(*waits) > 24 {
			r.Errorf("%d runs", len(*waits))
		}

		for _, attempt := range *attempts {
			if attempt != 1 {
				r.Fatalf("attempts %v", *attempts)
			}
		}

		r.want("deferred/a")
		r.stops()
	})
}

func TestBrokenTriesOneAtATime(t *testing.T) {
	bubble(t, func(r *rig) {
		var told []string

		r.notify = func(_ context.Context, rec job.Record, _ []byte) error {
			told = append(told, rec.Name)

			return nil
		}
		r.cfg.Workers = 8
		run, _, attempts := r.starts(func(int) job.Exit { return job.Exit{Code: 1} })
		_ = run
		began := make(chan struct{})
		r.handles(func(context.Context, handler.Task) job.Exit {
			<-began // all eight fail at once

			return failedStart(syscall.ENOENT)
		})

		for i := range 30 {
			r.inbox(fmt.Sprintf("f%02d", i))
		}

		r.start()
		close(began)
		r.pass(time.Second)

		if got := len(r.book.with("run ")); got != 8 {
			r.Errorf("%d runs, want 8", got)
		}

		r.pass(2 * time.Second) // the first wait is not widened by the other seven

		if got := len(r.book.with("run ")); got != 9 {
			r.Errorf("%d runs, want one more", got)
		}

		r.pass(time.Hour)

		if got := len(r.book.with("run ")); got < 13 || got > 20 {
			r.Errorf("%d runs after an hour", got)
		}

		if got := r.files(); len(got) != 30 || len(r.names(job.FailedFolder)) != 0 {
			r.Errorf("files %v", got)
		}

		r.said(1, "handler broken")

		if len(told) != 1 {
			r.Errorf("told %v", told)
		}

		before := len(r.book.with("run "))

		var mu sync.Mutex

		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			mu.Lock()
			defer mu.Unlock()

			*attempts = append(*attempts, task.Job.Attempt)

			return job.Exit{}
		})
		r.pass(12 * time.Minute)

		if got := len(r.book.with("run ")) - before; got != 30 || len(r.names(job.DoneFolder)) != 30 {
			r.Errorf("%d runs, files %v", got, r.files())
		}

		for _, attempt := range *attempts {
			if attempt != 1 {
				r.Fatalf("attempts %v", *attempts)
			}
		}

		r.said(1, "handler works again")
		r.stops()
	})
}

func TestBrokenTriesBesideALongAttempt(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 2
		codes := exits(127, 127, 0)
		r.handles(func(ctx context.Context, task handler.Task) job.Exit {
			if task.Job.Name == "long" {
				return sleeps(time.Hour, job.Exit{}, job.Exit{Code: -1, Signal: "SIGTERM"})(ctx, task)
			}

			return codes(ctx, task)
		})
		r.inbox("long")
		r.start()
		r.inbox("a")
		r.pass(time.Minute)
		r.want("processing/long", "done/a")
		r.runs("a", 3)
		r.pass(time.Hour)
		r.stops()
	})
}

func TestOldSuccessDoesNotEndBroken(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Workers = 2
		r.handles(func(ctx context.Context, task handler.Task) job.Exit {
			if task.Job.Name == "long" {
				return sleeps(time.Minute, job.Exit{}, job.Exit{})(ctx, task)
			}

			return job.Exit{Code: 78}
		})
		r.inbox("long")
		r.start()
		r.inbox("a")
		r.pass(2 * time.Minute)
		r.said(1, "handler broken")
		r.said(0, "handler works again")
		r.want("done/long", "deferred/a")
		r.stops()
	})
}

func TestCheckpointComesBack(t *testing.T) {
	bubble(t, func(r *rig) {
		var seen []string

		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			seen = append(seen, task.Job.Checkpoint)
			next := task.Job.Checkpoint + "x"
			task.Report(handler.Report{Checkpoint: &next})

			return job.Exit{Code: min(1, 3-len(seen))}
		})
		r.inbox("a")
		r.start()
		r.pass(time.Minute)

		if got := fmt.Sprint(seen); got != "[ x xx]" {
			r.Errorf("checkpoints %v", got)
		}

		r.want("done/a")
		r.stops()
	})
}
