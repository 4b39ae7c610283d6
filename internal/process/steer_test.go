package process_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// works returns a handler that needs d in which it is not frozen, or until it is
// asked to end, and then ends so.
func (r *rig) works(d time.Duration, well, asked job.Exit) handle {
	return func(ctx context.Context, task handler.Task) job.Exit {
		left, since := d, time.Now()
		timer := time.NewTimer(left)

		defer timer.Stop()

		for {
			select {
			case <-timer.C:
				return well
			case <-ctx.Done():
				r.book.add("asked %s: %v", task.Job.Name, context.Cause(ctx))

				return asked
			case frozen := <-task.Freeze:
				r.book.add("frozen %s %t", task.Job.Name, frozen)
				timer.Stop()

				if frozen {
					left -= time.Since(since)
				} else {
					since = time.Now()
					timer.Reset(left)
				}
			}
		}
	}
}

// killed is how a handler ends that obeys its end.
func killed() job.Exit { return job.Exit{Code: -1, Signal: "SIGTERM"} }

// id returns the id of the job of a name that was told of last.
func (r *rig) id(name string) job.ID {
	r.Helper()

	r.heard.mu.Lock()
	defer r.heard.mu.Unlock()

	for _, rec := range slices.Backward(r.heard.changed) {
		if rec.Name == name {
			return rec.ID
		}
	}

	r.Fatalf("nothing was told of %s", name)

	return job.ID{}
}

// steer carries out a verb and returns the state in the answer; with "!" before it
// is that of the error.
func (r *rig) steer(id job.ID, verb job.Verb) string {
	r.Helper()

	rec, err := r.pool.Steer(r.Context(), id, verb)

	var refused *job.StateError

	switch {
	case err == nil:
		return string(rec.Shown())
	case errors.As(err, &refused):
		return "!" + string(refused.State)
	case errors.Is(err, fs.ErrNotExist):
		return "!unknown"
	case errors.Is(err, job.ErrDraining):
		return "!draining"
	case errors.Is(err, job.ErrDegraded):
		return "!degraded"
	case errors.Is(err, job.ErrDisk):
		return "!disk"
	}

	r.Errorf("%s: %v", verb, err)

	return ""
}

// steers is steer that must answer so.
func (r *rig) steers(id job.ID, verb job.Verb, want string) {
	r.Helper()

	if got := r.steer(id, verb); got != want {
		r.Errorf("%s is answered with %s, want %s", verb, got, want)
	}

	synctest.Wait()
}

// state returns the state of a job as people see it.
func (r *rig) state(id job.ID) string {
	r.Helper()

	rec, err := r.ledger.Get(id)
	if err != nil {
		return err.Error()
	}

	return string(rec.Shown())
}

// brings brings the job of file a into a state and returns its id.
func (r *rig) brings(state string) job.ID {
	r.Helper()

	well := map[string]int{"deferred": 1, "paused in deferred": 1, "failed": 65}
	r.handles(r.works(time.Second, job.Exit{Code: well[state]}, killed()))

	if state == "committing" {
		r.disk.breaks(failing("note a=done", job.ErrDisk))
	}

	r.inbox("a")
	r.start()

	id := r.id("a")

	switch state {
	case "unknown":
		return job.NewID()
	case "processing":
	case "paused":
		r.steers(id, job.Pause, "paused")
	case "terminating": // it takes its time
		r.disk.breaks(failing("note a=terminated", job.ErrDisk))
		r.steers(id, job.Terminate, "processing")
	case "terminated":
		r.steers(id, job.Terminate, "processing")
	case "paused in deferred":
		r.pass(time.Second)
		r.steers(id, job.Pause, "paused")
	default:
		r.pass(time.Second)
	}

	return id
}

// TestSteerTable walks the whole table of states and verbs. Each verb comes twice:
// a repeat does no harm.
func TestSteerTable(t *testing.T) {
	t.Parallel()

	verbs := []job.Verb{job.Pause, job.Resume, job.Terminate, job.Retry}

	// The answers to the verbs in this order, and to their repeats.
	for state, want := range map[string][4]string{
		"unknown":            {"!unknown", "!unknown", "!unknown", "!unknown"},
		"processing":         {"paused", "processing", "processing", "!processing"},
		"committing":         {"!committing", "!committing", "!committing", "!committing"},
		"deferred":           {"paused", "deferred", "terminated", "!deferred"},
		"paused":             {"paused", "processing", "processing", "!paused"},
		"paused in deferred": {"paused", "deferred", "terminated", "!paused"},
		"terminating":        {"!committing", "!committing", "!committing", "!committing"},
		"done":               {"!done", "!done", "!done", "!done"},
		"failed":             {"!failed", "!failed", "!failed", "deferred"},
		"terminated":         {"!terminated", "!terminated", "terminated", "deferred"},
	} {
		for i, verb := range verbs {
			t.Run(state+"/"+string(verb), func(t *testing.T) {
				bubble(t, func(r *rig) {
					id := r.brings(state)

					if got := r.steer(id, verb); got != want[i] {
						r.Errorf("%s of a job that is %s is answered with %s, want %s", verb, state, got, want[i])
					}

					synctest.Wait()

					again := want[i]

					switch {
					case state == "paused in deferred" && verb == job.Resume: // it is due at once
						again = "processing"
					case (state == "processing" || state == "paused") && verb == job.Terminate:
						again = "terminated"
					case (state == "failed" || state == "terminated") && verb == job.Retry:
						again = "!processing"
					}

					r.steers(id, verb, again)

					r.disk.breaks(nil)
					r.pass(time.Minute)
					r.stops()
				})
			})
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Timeout = 10 * time.Second
		r.handles(r.works(8*time.Second, job.Exit{}, killed()))
		r.inbox("a")
		r.start()
		r.inbox("b")
		r.pass(5 * time.Second)

		id := r.id("a")
		for range 2 {
			r.steers(id, job.Pause, "paused")
		}

		if c := r.pool.Counts(); c.Running != 1 || c.Paused != 1 {
			r.Errorf("counts %+v", c)
		}

		r.pass(time.Hour) // the time-out does not count, and the worker is taken
		r.want("processing/a", "inbox/b")

		if got := r.state(id); got != "paused" {
			r.Errorf("the job is %s", got)
		}

		for range 2 {
			r.steers(id, job.Resume, "processing")
		}

		r.pass(2900 * time.Millisecond)
		r.want("processing/a", "inbox/b")
		r.pass(110 * time.Millisecond)
		r.want("done/a", "processing/b")
		r.runs("a", 1)

		if got := len(r.book.with("frozen a")); got != 2 {
			r.Errorf("frozen and let go %d times", got)
		}

		r.stops()
	})
}

// TestClockGoesOnAfterAPause: what is left of the time-out counts.
func TestClockGoesOnAfterAPause(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Timeout = 10 * time.Second
		r.handles(r.works(time.Hour, job.Exit{}, killed()))
		r.inbox("a")
		r.start()

		id := r.id("a")

		for range 3 {
			r.pass(3 * time.Second)
			r.steers(id, job.Pause, "paused")
			r.pass(time.Minute)
			r.steers(id, job.Resume, "processing")
		}

		r.pass(900 * time.Millisecond)
		r.want("processing/a")
		r.pass(100 * time.Millisecond)
		r.want("deferred/a")
		r.said(1, "job deferred", "timed out")
		r.stops()
	})
}

func TestTerminateEndsAnAttempt(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		exit   job.Exit
		frozen bool
	}{
		"obeys":             {killed(), false},
		"succeeds":          {job.Exit{}, false},
		"fails":             {job.Exit{Code: 1}, false},
		"is frozen":         {killed(), true},
		"frozen, succeeds":  {job.Exit{}, true},
		"could not begin":   {job.Exit{Code: -1, Err: handler.ErrTerminate}, false},
		"says that it must": {job.Exit{Code: 65}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Results = true
				r.notify = func(context.Context, job.Record, []byte) error {
					r.book.add("told")

					return nil
				}
				r.handles(r.works(time.Hour, job.Exit{}, c.exit))
				r.inbox("a")
				r.start()

				id := r.id("a")

				if c.frozen {
					r.steers(id, job.Pause, "paused")
				}

				if got := r.steer(id, job.Terminate); got != "processing" {
					r.Errorf("answered with %s", got)
				}

				synctest.Wait()
				r.pass(time.Hour)
				r.want("failed/a")
				r.runs("a", 1)
				r.said(1, "job terminated", `"level":"info"`)

				if note := r.text(job.ErrorsFolder, "a.txt"); !strings.Contains(note, "a was terminated") {
					r.Errorf("note %q", note)
				}

				rec, err := r.ledger.Get(id)
				if err != nil || rec.State != job.Terminated || rec.Results != "" || rec.Cursor == 0 || rec.Wish != job.NoWish {
					r.Errorf("job %+v, %v", rec, err)
				}

				if got := r.names(job.ResultsFolder); len(got) > 0 || len(r.book.with("told")) > 0 {
					r.Errorf("results %v, told %v", got, r.book.with("told"))
				}

				if c := r.pool.Counts(); c.Terminated != 1 || c.Failed != 0 {
					r.Errorf("counts %+v", c)
				}

				r.stops()
			})
		})
	}
}

// TestWhatIsRecordedFirstWins: a success that is being written is not ended.
func TestWhatIsRecordedFirstWins(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.disk.hold("commit")
		r.handles(r.works(time.Second, job.Exit{}, killed()))
		r.inbox("a")
		r.start()
		r.pass(time.Second)

		go func() {
			r.book.add("answered %s", r.steer(r.id("a"), job.Terminate))
		}()

		synctest.Wait()

		if got := r.book.with("answered"); len(got) > 0 {
			r.Error("answered before it was decided")
		}

		release()
		r.pass(10 * time.Millisecond)

		if got := r.book.with("answered !done"); len(got) != 1 {
			r.Errorf("%v", r.book.with("answered"))
		}

		r.want("done/a")
		r.stops()
	})
}

// TestTerminateWhileTheEndIsLookedAt: the handler has succeeded, but nothing is
// recorded of that.
func TestTerminateWhileTheEndIsLookedAt(t *testing.T) {
	bubble(t, func(r *rig) {
		gate := make(chan struct{})

		r.cfg.Results = true
		r.disk.breaks(func(call string) error {
			if strings.HasPrefix(call, "flush results") {
				<-gate
			}

			return nil
		})
		r.inbox("a")
		r.start()

		id := r.id("a")
		r.steers(id, job.Terminate, "processing")
		close(gate)
		synctest.Wait()
		r.want("failed/a")
		r.said(1, "job terminated")

		if got := r.leftWork(); len(got)+len(r.names(job.ResultsFolder)) > 0 {
			r.Errorf("results are left: %v", got)
		}

		r.stops()
	})
}

// TestTerminatedJobDoesNotBegin: it becomes due while its end is being written.
func TestTerminatedJobDoesNotBegin(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.disk.hold("note a=terminated")
		r.handles(exits(1))
		r.inbox("a")
		r.start()

		id := r.id("a")

		go func() { r.book.add("answered %s", r.steer(id, job.Terminate)) }()

		synctest.Wait()
		r.pass(time.Second)
		r.inbox("b") // the loop comes round
		r.pass(3 * time.Second)
		release()
		r.pass(gathers)
		r.runs("a", 1)
		r.want("failed/a", "deferred/b")
		r.stops()
	})
}

// TestSteerBetweenClaimAndStart: the handler has not begun yet.
func TestSteerBetweenClaimAndStart(t *testing.T) {
	t.Parallel()

	for _, verb := range []job.Verb{job.Pause, job.Terminate} {
		t.Run(string(verb), func(t *testing.T) {
			bubble(t, func(r *rig) {
				gate := make(chan struct{})

				r.disk.breaks(func(call string) error {
					if strings.HasPrefix(call, "lock a") {
						<-gate
					}

					return nil
				})
				r.handles(r.works(time.Second, job.Exit{}, killed()))
				r.inbox("a")
				r.start()
				r.want("processing/a")

				id := r.noted("a")
				r.steer(id, verb)
				close(gate)
				r.pass(time.Minute)

				if verb == job.Terminate {
					r.want("failed/a")
					r.said(1, "job terminated")
				} else {
					r.want("processing/a")
					r.steers(id, job.Resume, "processing")
					r.pass(time.Second)
					r.want("done/a")
				}

				r.stops()
			})
		})
	}
}

// noted returns the id under which the journal has the open job of a name.
func (r *rig) noted(name string) job.ID {
	r.Helper()

	for rec, err := range r.ledger.Unfinished() {
		if err != nil {
			r.Fatal(err)
		}

		if rec.Name == name {
			return rec.ID
		}
	}

	r.Fatalf("no job of %s", name)

	return job.ID{}
}

// TestSteerWhatCannotBegin: the file is still open for writing, or cannot be moved.
func TestSteerWhatCannotBegin(t *testing.T) {
	t.Parallel()

	for verb, want := range map[job.Verb]string{job.Pause: "paused", job.Terminate: "terminated"} {
		for _, call := range []string{"probe processing/a", "move deferred/a"} {
			t.Run(string(verb)+"/"+call, func(t *testing.T) {
				bubble(t, func(r *rig) {
					gate := make(chan struct{})

					r.drop(job.DeferredFolder, "a", "a")
					r.disk.breaks(func(c string) error {
						if !strings.HasPrefix(c, call) || strings.Contains(c, "failed") {
							return nil
						}

						<-gate

						return errors.Join(job.ErrDisk, job.ErrOpen)
					})
					r.start()

					id := r.noted("a")
					r.steer(id, verb)
					close(gate)
					synctest.Wait()

					if got := r.state(id); got != want {
						r.Errorf("the job is %s, want %s", got, want)
					}

					r.disk.breaks(nil)
					r.pass(time.Hour)
					r.runs("a", 0)
					r.stops()
				})
			})
		}
	}
}

// TestFrozenJobAtTheDrain is not waited for, and stays paused until it is resumed.
func TestFrozenJobAtTheDrain(t *testing.T) {
	t.Parallel()

	for name, exit := range map[string]job.Exit{"obeys": killed(), "fails": {Code: 1}, "later": {Code: 75}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.handles(r.works(time.Second, job.Exit{}, exit))
				r.inbox("a")
				r.start()

				id := r.id("a")
				r.steers(id, job.Pause, "paused")

				began := time.Now()
				r.stops()

				if took := time.Since(began); took > 0 {
					r.Errorf("the drain took %v", took)
				}

				r.want("deferred/a")

				for range 2 {
					r.restart()
					r.start()
					r.pass(time.Hour)
					r.want("deferred/a")

					if got, c := r.state(id), r.pool.Counts(); got != "paused" || c.Paused != 1 || c.Deferred != 0 {
						r.Errorf("the job is %s, counts %+v", got, c)
					}

					r.steers(id, job.Pause, "paused")
					r.stops()
				}

				r.restart()
				r.start()
				r.runs("a", 1)
				r.steers(id, job.Resume, "deferred")
				r.runs("a", 2)
				r.pass(time.Second)
				r.want("done/a")
				r.stops()
			})
		})
	}
}

func TestDrainingRefuses(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(r.works(30*time.Second, job.Exit{}, killed()))
		r.inbox("a")

		r.pool = r.build()
		r.steers(job.NewID(), job.Pause, "!degraded")
		r.start()

		id := r.id("a")
		r.stages.Signal()
		synctest.Wait()
		r.steers(id, job.Pause, "!draining")

		if err := <-r.ended; err != nil {
			r.Errorf("Run: %v", err)
		}

		r.want("done/a")
		r.steers(id, job.Retry, "!draining")
	})
}

// TestSteerDoesNotWaitForThePool: whatever keeps it from taking files.
func TestSteerDoesNotWaitForThePool(t *testing.T) {
	t.Parallel()

	for name, shut := range map[string]func(r *rig){
		"paused": func(r *rig) {
			if err := r.pool.PauseSpool(r.Context(), true); err != nil {
				r.Error(err)
			}
		},
		"broken": func(r *rig) {
			r.handles(exits(78))
			r.inbox("z")
			synctest.Wait()

			if r.pool.Counts().Broken == "" {
				r.Error("the handler is not broken")
			}
		},
		"disk": func(r *rig) {
			r.disk.breaks(failing("note z=processing", job.ErrDisk))
			r.inbox("z")
			synctest.Wait()

			if r.pool.Counts().Disk == "" {
				r.Error("the disk takes all")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Workers = 2
				r.cfg.Backoff.Min = time.Minute
				r.handles(exits(1))
				r.inbox("d")
				r.start()
				r.handles(r.works(time.Hour, job.Exit{}, killed()))
				r.inbox("a")
				synctest.Wait()
				shut(r)

				a, d := r.id("a"), r.id("d")
				r.steers(a, job.Pause, "paused")
				r.steers(a, job.Resume, "processing")
				r.steers(a, job.Terminate, "processing")
				r.steers(d, job.Pause, "paused")
				r.steers(d, job.Resume, "deferred")

				if name != "broken" { // there one attempt is made
					r.steers(d, job.Terminate, "terminated")
				}

				r.steers(a, job.Retry, "deferred")
				r.disk.breaks(nil)
				r.stops()
			})
		})
	}
}

// TestWishThatCannotBeRecorded changes nothing.
func TestWishThatCannotBeRecorded(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(r.works(time.Second, job.Exit{}, killed()))
		r.inbox("a")
		r.start()
		r.disk.breaks(failing("wish", job.ErrDisk))

		id := r.id("a")
		r.steers(id, job.Pause, "!disk")
		r.steers(id, job.Terminate, "!disk")
		r.pass(time.Second)
		r.want("done/a")
		r.stops()
	})
}

// leftWork returns the directories for results that were not published.
func (r *rig) leftWork() []string {
	r.Helper()

	left, err := filepath.Glob(r.disk.Path(job.OwnFolder, "work/????????-*"))
	if err != nil {
		r.Fatal(err)
	}

	return left
}
