package process_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// writer opens a file for writing.
func (r *rig) writer(path string) *os.File {
	r.Helper()

	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		r.Fatal(err)
	}

	r.Cleanup(func() { _ = f.Close() })

	return f
}

func TestOpenAfterTheClaimIsDeferred(t *testing.T) {
	bubble(t, func(r *rig) {
		var w *os.File

		r.disk.bare = true
		r.disk.breaks(func(call string) error {
			if call == "claim a" { // a writer let in around the rename
				w = r.writer(r.disk.Path(job.InboxFolder, "a"))
			}

			return nil
		})
		r.inbox("a")
		r.start()
		r.want("deferred/a")
		r.pass(5 * time.Second)
		r.runs("a", 0)

		tries := len(r.book.with("move deferred/a to processing/a"))
		if tries < 6 || tries > 9 { // 50 ms, 100, 200, 400, 800, 1000, ...
			r.Errorf("%d tries in 5 s", tries)
		}

		_ = w.Close()

		r.pass(time.Second)
		r.want("done/a")
		r.runs("a", 1)

		if len(r.book.with("run a attempt 1")) != 1 {
			r.Errorf("an attempt was used")
		}

		if r.book.index("flush processing/a") < 0 {
			r.Error("what was written late was not flushed")
		}

		r.stops()
	})
}

func TestLateWriter(t *testing.T) {
	bubble(t, func(r *rig) {
		var w *os.File

		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			if task.Job.Attempt == 1 {
				w = r.writer(task.Path)
			}

			return job.Exit{}
		})
		r.inbox("a")
		r.start()
		r.want("deferred/a")
		r.said(1, "job deferred", "changed while handled")

		_ = w.Close()

		r.pass(4 * time.Second)
		r.want("done/a")
		r.order("run a attempt 1", "run a attempt 2")
		r.stops()
	})
}

func TestWhatTheHandlerDoesToTheFile(t *testing.T) {
	t.Parallel()

	remove := func(path string) error { return os.Remove(path) }
	cases := map[string]struct {
		do      func(path string) error
		code    int
		want    string // files
		said    string // in the line about its end
		changed bool
	}{
		"removed, exit 0":   {remove, 0, "", "job done", false},
		"removed, exit 1":   {remove, 1, "", "job failed", false},
		"removed, exit 75":  {remove, 75, "", "job failed", false},
		"untouched, exit 0": {func(string) error { return nil }, 0, "done/a", "job done", false},
		"changed": {func(path string) error {
			return os.WriteFile(path, []byte("new text"), 0o600)
		}, 0, "done/a", "job done", true},
		"replaced": {func(path string) error {
			temp := filepath.Join(filepath.Dir(filepath.Dir(path)), "temp")
			if err := os.WriteFile(temp, []byte("a"), 0o600); err != nil {
				return err
			}

			return os.Rename(temp, path)
		}, 0, "done/a", "job done", true},
		"directory, exit 0": {func(path string) error {
			_ = os.Remove(path)

			return os.Mkdir(path, 0o700)
		}, 0, "", "job done", true},
		"symlink, exit 1": {func(path string) error {
			_ = os.Remove(path)

			return os.Symlink("/etc/passwd", path)
		}, 1, "", "job failed", true},
	}

	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.handles(func(_ context.Context, task handler.Task) job.Exit {
					if err := c.do(task.Path); err != nil {
						r.Error(err)
					}

					return job.Exit{Code: c.code}
				})
				r.inbox("a")
				r.start()
				r.want(strings.Fields(c.want)...)
				r.said(1, c.said)

				if changed := len(r.book.with(c.said, `"changed":true`)) == 1; changed != c.changed {
					r.Errorf("changed is told: %t", changed)
				}

				r.pass(time.Hour)
				r.runs("a", 1)
				r.stops()
			})
		})
	}
}

func TestDirectoryAfterTheClaimIsNoJob(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.bare = true
		r.disk.breaks(func(call string) error {
			if call != "probe processing/a" || r.text(job.ProcessingFolder, "a") == "" {
				return nil
			}

			_ = os.Remove(r.disk.Path(job.ProcessingFolder, "a"))

			return os.Mkdir(r.disk.Path(job.ProcessingFolder, "a"), 0o700)
		})
		r.inbox("a")
		r.start()
		r.pass(time.Minute)
		r.want()
		r.runs("a", 0)
		r.said(1, "job failed", "not a regular file")
		r.stops()
	})
}

func TestMarkersAreDropped(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Marker = ".done"
		r.drop(job.InboxFolder, "a.done", "")
		<-r.wishes // markers are never offered
		r.inbox("a")
		r.start()
		r.order("claim a", "job claimed", "run a")

		for _, name := range r.names(job.InboxFolder) {
			r.Errorf("left in inbox/: %s", name)
		}

		r.stops()
	})
}

func TestResults(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Results = true
		r.drop(job.DoneFolder, "taken.csv", "old")
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			if err := os.WriteFile(filepath.Join(task.Results, "out"), []byte(task.Job.Name), 0o600); err != nil {
				r.Error(err)
			}

			if strings.HasPrefix(task.Job.Name, "bad") {
				return job.Exit{Code: 65}
			}

			return job.Exit{}
		})
		r.inbox("a.csv")
		r.start()
		r.order("flush results", "note a.csv=done", "commit", "publish results a.csv", "move processing/a.csv to done/a.csv",
			"sync [processing done results]", "job done|a.csv")
		r.inbox("taken.csv", "bad.csv")
		r.pass(gathers)

		for _, name := range r.names(job.ResultsFolder) {
			if r.text(job.DoneFolder, name) != r.text(job.ResultsFolder, name+"/out") {
				r.Errorf("results/%s has no file of its name in done/: %v", name, r.files())
			}
		}

		if got := r.names(job.ResultsFolder); len(got) != 2 {
			r.Errorf("results/ holds %v", got)
		}

		if got := r.names(".importerd/work"); len(got) != 2 { // aside and trial
			r.Errorf("work/ holds %v", got)
		}

		r.stops()
	})
}

func TestResultsThatCannotBeFlushedAreMadeAnew(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Results = true
		r.disk.breaks(failing("flush results", job.ErrDisk))
		r.inbox("a")
		r.start()
		r.want("deferred/a")
		r.said(1, "job deferred", "could not be flushed")
		r.disk.breaks(nil)
		r.pass(4 * time.Second)
		r.want("done/a")
		r.order("run a attempt 1", "run a attempt 2", "publish results a")
		r.stops()
	})
}

func TestFileChangedAfterItWasFoundReady(t *testing.T) {
	bubble(t, func(r *rig) {
		r.inbox("a")
		r.disk.breaks(func(call string) error {
			if call == "flush inbox/a" {
				r.disk.breaks(nil)

				return os.WriteFile(r.disk.Path(job.InboxFolder, "a"), []byte("more"), 0o600)
			}

			return nil
		})
		r.start()
		r.order("log |changed since it was found ready", "look a", "claim a", "run a")
		r.want("done/a")
		r.stops()
	})
}

func TestFileChangedWhileItWaitedForASlot(t *testing.T) {
	bubble(t, func(r *rig) {
		gate := make(chan struct{})
		r.handles(func(context.Context, handler.Task) job.Exit {
			<-gate

			return job.Exit{}
		})
		r.inbox("a")
		r.start()
		r.inbox("b")
		r.pass(leased)

		if err := os.WriteFile(r.disk.Path(job.InboxFolder, "b"), []byte("more"), 0o600); err != nil {
			r.Fatal(err)
		}

		close(gate)
		r.pass(gathers)
		r.order("flush inbox/b", "claim b", "log |changed since it was flushed", "look b", "run b")
		r.want("done/a", "done/b")
		r.stops()
	})
}

func TestAnotherFileThatSlippedInIsFlushed(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(failing("claim a", job.ErrOther))
		r.inbox("a")
		r.start()
		r.want("done/a")
		r.order("flush inbox/a", "claim a", "flush processing/a", "run a")
		r.stops()
	})
}
