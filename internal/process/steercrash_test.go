package process_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/job"
)

// crash is a spool as a daemon has left it that was killed.
type crash struct {
	rec   job.Record
	wish  job.Wish
	seen  string   // where the file lies; empty: nowhere
	other string   // where another file of its name lies, whose job is due later; empty: there is none
	stray string   // where a file lies of which nobody knows; empty: there is none
	want  []string // where files lie in the end
	state job.State
	runs  int
}

// leaves makes the spool as it was left.
func (r *rig) leaves(c crash) {
	r.Helper()

	var other []job.Record

	if c.other != "" {
		path := filepath.Join(r.disk.Dir(), c.other)
		if err := os.WriteFile(path, []byte("b"), 0o600); err != nil {
			r.Fatal(err)
		}

		folder, name := folderOf(c.other)

		f, err := r.disk.Stat(folder, name)
		if err != nil {
			r.Fatal(err)
		}

		other = append(other, job.Record{
			ID: job.NewID(), Name: "a", File: name, State: job.Deferred, Seen: f, DueAt: time.Now().Add(5 * time.Minute),
		})
	}

	if c.seen != "" {
		r.dies(job.Record{ID: job.NewID(), Name: "z", State: job.Done}, c.seen)

		f, err := r.disk.Stat(folderOf(c.seen))
		if err != nil {
			r.Fatal(err)
		}

		c.rec.Seen = f
	}

	if c.stray != "" {
		folder, name := folderOf(c.stray)
		r.drop(folder, name, "stray")
	}

	if err := r.ledger.Note(append([]job.Record{c.rec}, other...)...); err != nil {
		r.Fatal(err)
	}

	if c.wish != job.NoWish {
		if err := r.ledger.Wish(c.wish, c.rec.ID); err != nil {
			r.Fatal(err)
		}
	}

	if err := r.ledger.MarkStarted(); err != nil {
		r.Fatal(err)
	}

	r.restart()
}

// waiting is the record of a job in deferred/ that is due.
func waiting() job.Record {
	rec := ended(running())
	rec.State = job.Deferred

	return rec
}

// accepted is the record of a job whose file has no name yet.
func accepted() job.Record {
	id := job.NewID()

	return job.Record{
		ID: id, Name: "a", File: "a", State: job.Deferred, Origin: job.Uploaded, Size: 1, CreatedAt: time.Now(),
		Moving: &job.Move{To: job.DeferredFolder, Name: "a", ID: id},
	}
}

// TestCrashWhileSteered is the table of docs/reliability.md for what people do.
func TestCrashWhileSteered(t *testing.T) {
	t.Parallel()

	claimed := running()
	claimed.StartedAt, claimed.Attempt = time.Time{}, 0

	paused := ended(running())
	paused.State = job.Paused

	draft := accepted()
	taken := job.WithID("a", draft.ID)

	lost := accepted() // to have the seen of a file that is gone
	lost.Seen = job.File{Dev: 1, Ino: 1, Size: 1}

	retried := on(running(), job.Deferred, job.FailedFolder)
	retried.Attempt, retried.StartedAt = 0, time.Time{}

	for name, c := range map[string]crash{
		"pause wished, handler runs": {
			rec: running(), wish: job.WishPause, seen: "processing/a",
			want: []string{"deferred/a"}, state: job.Paused,
		},
		"pause wished, claim made": {
			rec: on(claimed, job.Processing, job.InboxFolder), wish: job.WishPause, seen: "processing/a",
			want: []string{"deferred/a"}, state: job.Paused,
		},
		"pause wished, claim undone": {
			rec: on(claimed, job.Processing, job.InboxFolder), wish: job.WishPause, seen: "inbox/a",
			want: []string{"deferred/a"}, state: job.Paused,
		},
		"pause wished, file fetched": {
			rec: on(ended(running()), job.Processing, job.DeferredFolder), wish: job.WishPause, seen: "processing/a",
			want: []string{"deferred/a"}, state: job.Paused,
		},
		"pause of the outcome noted, file not moved": {
			rec: on(ended(running()), job.Paused, job.ProcessingFolder), seen: "processing/a",
			want: []string{"deferred/a"}, state: job.Paused,
		},
		"pause of the outcome noted, file moved": {
			rec: on(ended(running()), job.Paused, job.ProcessingFolder), seen: "deferred/a",
			want: []string{"deferred/a"}, state: job.Paused,
		},
		"paused": {rec: paused, seen: "deferred/a", want: []string{"deferred/a"}, state: job.Paused},
		"paused, the move undone": {
			rec: paused, seen: "processing/a", want: []string{"deferred/a"}, state: job.Paused,
		},
		"paused, file gone": {rec: paused, state: job.Failed},
		"terminate wished, handler runs": {
			rec: running(), wish: job.WishTerminate, seen: "processing/a",
			want: []string{"failed/a"}, state: job.Terminated,
		},
		"terminate wished, claim undone": {
			rec: on(claimed, job.Processing, job.InboxFolder), wish: job.WishTerminate, seen: "inbox/a",
			want: []string{"failed/a"}, state: job.Terminated,
		},
		"terminate wished, file gone": {rec: running(), wish: job.WishTerminate, state: job.Terminated},
		"termination noted, file in processing": {
			rec: on(ended(running()), job.Terminated, job.ProcessingFolder), seen: "processing/a",
			want: []string{"failed/a"}, state: job.Terminated,
		},
		"termination noted, file in deferred": {
			rec: on(waiting(), job.Terminated, job.DeferredFolder), seen: "deferred/a",
			want: []string{"failed/a"}, state: job.Terminated,
		},
		"termination noted, file moved": {
			rec: on(waiting(), job.Terminated, job.DeferredFolder), seen: "failed/a",
			want: []string{"failed/a"}, state: job.Terminated,
		},
		"termination noted, file moved, another one has come": {
			rec: on(waiting(), job.Terminated, job.DeferredFolder), seen: "failed/a", other: "deferred/a",
			want: []string{"failed/a", "deferred/a"}, state: job.Terminated,
		},
		"retry noted, file not moved": {
			rec: retried, seen: "failed/a", want: []string{"done/a"}, state: job.Done, runs: 1,
		},
		"retry noted, file moved": {
			rec: retried, seen: "deferred/a", want: []string{"done/a"}, state: job.Done, runs: 1,
		},
		"retry noted, file not moved, name taken": {
			rec: retried, seen: "failed/a", other: "deferred/a", want: []string{"done/a", "deferred/a"},
			state: job.Done, runs: 1,
		},
		"retry noted, file gone, name taken": {
			rec: retried, other: "deferred/a", want: []string{"deferred/a"}, state: job.Failed,
		},
		"accepted, no name yet": {rec: lost},
		"accepted, no name yet, one is of nobody": {
			rec: lost, stray: "deferred/a", want: []string{"done/a"}, runs: 1,
		},
		"accepted, no name yet, one is": {rec: lost, other: "deferred/a", want: []string{"deferred/a"}},
		"appeared":                      {rec: draft, seen: "deferred/a", want: []string{"done/a"}, state: job.Done, runs: 1},
		"appeared, name taken": {
			rec: draft, seen: "deferred/" + taken, other: "deferred/a", want: []string{"done/a", "deferred/a"},
			state: job.Done, runs: 1,
		},
		"appeared and fetched, then a power cut": {
			rec: draft, seen: "processing/a", want: []string{"done/a"}, state: job.Done, runs: 1,
		},
		"appeared, name taken, fetched, then a power cut": {
			rec: draft, seen: "processing/" + taken, other: "deferred/a", want: []string{"done/a", "deferred/a"},
			state: job.Done, runs: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.leaves(c)
				r.start()
				r.pass(2 * time.Minute)
				r.want(c.want...)
				r.runs("a", c.runs)

				rec, err := r.ledger.Get(c.rec.ID)

				switch {
				case c.state == "" && !errors.Is(err, fs.ErrNotExist):
					r.Errorf("the job is known as %s, %v", rec.State, err)
				case c.state != rec.State:
					r.Errorf("the job is %s, want %s", rec.State, c.state)
				}

				r.stops()
			})
		})
	}
}

// TestCopiedSpoolKeepsWhatWasAccepted: inodes are others there.
func TestCopiedSpoolKeepsWhatWasAccepted(t *testing.T) {
	bubble(t, func(r *rig) {
		c := crash{rec: accepted(), seen: "deferred/a"}
		r.leaves(c)

		rec, err := r.ledger.Get(c.rec.ID)
		if err != nil {
			r.Fatal(err)
		}

		rec.Seen.Dev++
		rec.Seen.Ino++
		r.dies(rec)
		r.start()
		r.want("done/a")
		r.stops()
	})
}

// handled is the record of the job whose old handler lives.
func (r *rig) handled() job.Record {
	r.Helper()

	old, err := r.disk.OldHandlers()
	if err != nil || len(old) != 1 {
		r.Fatalf("%d old handlers, %v", len(old), err)
	}

	rec := running()
	rec.ID = old[0].Job

	return rec
}

// TestWishesOutliveTheDaemon: it was killed with a frozen handler.
func TestWishesOutliveTheDaemon(t *testing.T) {
	for wish, want := range map[job.Wish]string{job.WishPause: "deferred/a", job.WishTerminate: "failed/a"} {
		t.Run(string(wish), func(t *testing.T) {
			dir := t.TempDir()
			ended := oldHandler(t, dir, "a", `trap "exit 0" TERM; echo; kill -STOP $$; while :; do read x <&3; done`)

			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, dir)
				r.leaves(crash{rec: r.handled(), wish: wish})
				r.start()
				<-ended
				r.pass(time.Hour)
				r.want(want)
				r.runs("a", 0)
				r.stops()
			})
		})
	}
}

// TestSteerAnOldHandler: what is wanted comes about when it has ended.
func TestSteerAnOldHandler(t *testing.T) {
	for verb, want := range map[job.Verb]string{
		job.Pause: "deferred/a", job.Terminate: "failed/a", job.Resume: "done/a", job.Retry: "done/a",
	} {
		t.Run(string(verb), func(t *testing.T) {
			dir := t.TempDir()
			ended := oldHandler(t, dir, "a", `trap "" TERM; echo; while :; do read x <&3; done`)

			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, dir)
				rec := r.handled()
				r.leaves(crash{rec: rec})
				r.start()

				answer := map[job.Verb]string{job.Pause: "paused", job.Retry: "!processing"}[verb]
				if answer == "" {
					answer = "processing"
				}

				for range 2 {
					r.steers(rec.ID, verb, answer)
				}

				r.want("processing/a")
				r.pass(10 * time.Second)
				<-ended
				r.pass(time.Hour)
				r.want(want)
				r.stops()
			})
		})
	}
}
