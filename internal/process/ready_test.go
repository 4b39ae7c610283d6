package process_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// readies brings it about that attempts are made ready: "first" is done, "gate" is at
// work until the function is called, and a, b and c wait for its slot.
func (r *rig) readies() func() {
	r.Helper()

	release := r.gate()
	r.inbox("a", "b", "c")
	r.pass(20 * time.Millisecond)
	r.want("done/first", "processing/gate", "processing/a", "processing/b", "processing/c")

	for _, name := range []string{"a", "b", "c"} {
		if rec, err := r.ledger.Get(r.noted(name)); err != nil || rec.Attempt != 1 {
			r.Fatalf("%s is not ready: %+v, %v", name, rec, err)
		}
	}

	return release
}

// untried checks that no attempt was made on jobs, as far as the journal knows.
func (r *rig) untried(names ...string) {
	r.Helper()

	for _, name := range names {
		rec, err := r.ledger.Get(r.noted(name))
		if err != nil || rec.Attempt != 0 || !rec.StartedAt.IsZero() || rec.Interruptions != 0 || rec.Error != "" {
			r.Errorf("%s: %+v, %v", name, rec, err)
		}
	}
}

// TestReadyIsBegunWithoutTheDisk: between the end of one attempt and the beginning of the
// next nothing is recorded, and nothing is looked at.
func TestReadyIsBegunWithoutTheDisk(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.readies()
		before := len(r.book.with())
		release()
		r.pass(time.Second)

		lines := r.book.with()[before:]
		at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "run ") })

		for _, line := range lines[:max(0, at)] {
			if strings.HasPrefix(line, "note ") || strings.HasPrefix(line, "commit ") {
				r.Errorf("%q comes before %q", line, lines[at])
			}
		}

		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")

		for _, name := range []string{"a", "b", "c"} {
			r.runs(name, 1)
		}

		r.stops()
	})
}

// TestReadyInGroups: where attempts are short, several are recorded together.
func TestReadyInGroups(t *testing.T) {
	bubble(t, func(r *rig) {
		const files = 200

		r.handles(sleeps(time.Millisecond, job.Exit{}, job.Exit{Signal: "killed"}))

		for i := range files {
			r.inbox(fmt.Sprintf("%03d", i))
		}

		r.start()
		r.pass(time.Minute)

		if got := len(r.names(job.DoneFolder)); got != files {
			r.Errorf("%d done", got)
		}

		if got := len(r.book.with("note ")); got > files/2 {
			r.Errorf("%d notes for %d files", got, files)
		}

		r.stops()
	})
}

// TestReadyInOrder: what is made ready is overtaken by nothing that is not.
func TestReadyInOrder(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Ordered = true
		release := r.gate()
		names := []string{"first", "gate"}

		for i := range 100 {
			name := fmt.Sprintf("%03d", i)
			names = append(names, name)
			r.inbox(name)
		}

		r.pass(20 * time.Millisecond)
		release()
		r.pass(time.Minute)

		var ran []string

		for _, line := range r.book.with("run ") {
			ran = append(ran, strings.Fields(line)[1])
		}

		if !slices.Equal(ran, names) {
			r.Errorf("ran %q", ran)
		}

		r.stops()
	})
}

// TestReadyForTooLong: what was made ready for a slot that does not come is taken back.
func TestReadyForTooLong(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.readies()
		r.pass(time.Minute)
		r.untried("a", "b", "c")

		if got := len(r.book.with("note ", "a=processing")); got != 3 {
			r.Errorf("a was noted %d times", got)
		}

		if locks, err := os.ReadDir(r.disk.Path(job.OwnFolder, "locks")); err != nil || len(locks) > 4 {
			r.Errorf("%d lock files, %v", len(locks), err)
		}

		release()
		r.pass(time.Second)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.stops()
	})
}

func TestReadyAtTheDrain(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.readies()
		ended := make(chan error)

		go func() { ended <- r.stop() }()

		r.pass(time.Second) // the handler is still at work
		r.want("done/first", "processing/gate", "deferred/a", "deferred/b", "deferred/c")
		r.untried("a", "b", "c")
		release()

		if err := <-ended; err != nil {
			r.Error(err)
		}

		r.said(0, "job interrupted")
		r.restart()
		r.start()
		r.pass(time.Second)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.runs("a", 1)
		r.stops()
	})
}

func TestReadyIsSteered(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.readies()
		a, b, c := r.noted("a"), r.noted("b"), r.noted("c")

		if _, err := r.pool.Steer(r.Context(), a, job.Terminate); err != nil {
			r.Error(err)
		}

		if _, err := r.pool.Steer(r.Context(), b, job.Pause); err != nil {
			r.Error(err)
		}

		if _, err := r.pool.Steer(r.Context(), c, job.Retry); err == nil {
			r.Error("a job that waits is retried")
		}

		r.want("done/first", "processing/gate", "failed/a", "deferred/b", "processing/c")
		r.untried("b")
		release()
		r.pass(time.Minute)
		r.want("done/first", "done/gate", "failed/a", "deferred/b", "done/c")
		r.runs("a", 0)
		r.runs("b", 0)
		r.steers(b, job.Resume, "deferred")
		r.pass(time.Minute)
		r.want("done/first", "done/gate", "failed/a", "done/b", "done/c")
		r.stops()
	})
}

// TestReadyUnderOldRules: a reload holds for what has not begun.
func TestReadyUnderOldRules(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.readies()

		var under []string

		r.cfg.Results = true
		r.changes(other(func(task handler.Task) job.Exit {
			if task.Results == "" {
				r.Error("no directory for results")
			}

			under = append(under, fmt.Sprintf("%s attempt %d", task.Job.Name, task.Job.Attempt))

			return job.Exit{}
		}), nil)
		release()
		r.pass(time.Second)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")

		slices.Sort(under)

		if want := []string{"a attempt 1", "b attempt 1", "c attempt 1"}; !slices.Equal(under, want) {
			r.Errorf("the new handler ran %q", under)
		}

		r.stops()
	})
}

// TestReadyOfABrokenHandler: one at a time is tried, and the others lie in deferred/.
func TestReadyOfABrokenHandler(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.readies()
		r.handles(exits(127))
		release()
		r.pass(time.Second)
		r.want("done/first", "done/gate", "deferred/a", "deferred/b", "deferred/c")

		if got := len(r.book.with("run ")); got != 3 { // and one of the three
			r.Errorf("%d runs: %v", got, r.book.with("run "))
		}

		r.handles(exits(0))
		r.pass(time.Hour)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")
		r.stops()
	})
}

// TestReadyWhileTheDiskRefuses: the note fails, and no attempt was used.
func TestReadyWhileTheDiskRefuses(t *testing.T) {
	bubble(t, func(r *rig) {
		release := r.gate()
		noted := 0

		r.disk.breaks(func(call string) error {
			if strings.HasPrefix(call, "note ") && strings.Contains(call, "a=processing") {
				if noted++; noted == 2 { // the first is of the claim
					return fmt.Errorf("%w: no space", job.ErrDisk)
				}
			}

			return nil
		})
		r.inbox("a", "b", "c")
		r.pass(20 * time.Millisecond)
		release()
		r.pass(time.Hour)
		r.want("done/first", "done/gate", "done/a", "done/b", "done/c")

		for _, name := range []string{"a", "b", "c"} {
			r.runs(name, 1)

			if rec, err := r.ledger.Get(r.id(name)); err != nil || rec.Attempt != 1 {
				r.Errorf("%s: %+v, %v", name, rec, err)
			}
		}

		r.stops()
	})
}

// TestDeathWhileReady: what was only made ready was not interrupted by the daemon's
// death, and does not make it a suspect. Where a process was noted it was.
func TestDeathWhileReady(t *testing.T) {
	t.Parallel()

	for begun, crashes := range map[bool]int{false: 0, true: 1} {
		t.Run(fmt.Sprintf("begun=%t", begun), func(t *testing.T) {
			bubble(t, func(r *rig) {
				rec := running()

				lock, err := r.disk.Spool.LockJob(rec.ID, "a")
				if err != nil {
					r.Fatal(err)
				}

				if begun {
					if err := r.disk.NoteProcess(lock, os.Getpid()); err != nil {
						r.Fatal(err)
					}
				}

				left, err := os.ReadFile(lock.Name())
				if err != nil {
					r.Fatal(err)
				}

				if begun { // by a process of an earlier boot
					left = []byte(strings.Replace(string(left), `"boot":"`, `"boot":"0`, 1))
				}

				path := lock.Name()
				_ = lock.Close()

				r.dies(rec, "processing/a")

				if err := os.WriteFile(path, left, 0o600); err != nil {
					r.Fatal(err)
				}

				r.start()
				r.pass(time.Minute)
				r.want("done/a")
				r.runs("a", 1)
				r.said(crashes, "job interrupted")

				got, err := r.ledger.Get(rec.ID)
				if err != nil || got.Crashes != crashes || got.Interruptions != crashes || got.Attempt != 1 {
					r.Errorf("%+v, %v", got, err)
				}

				r.stops()
			})
		})
	}
}
