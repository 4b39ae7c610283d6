package process_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/process"
)

// dies leaves the spool as a daemon does that is killed: the folders and the
// journal as they are, nothing tidied.
func (r *rig) dies(rec job.Record, files ...string) {
	r.Helper()

	if err := r.ledger.Note(rec); err != nil {
		r.Fatal(err)
	}

	if err := r.ledger.MarkStarted(); err != nil {
		r.Fatal(err)
	}

	for _, path := range files {
		if err := os.WriteFile(r.disk.Dir()+"/"+path, []byte("a"), 0o600); err != nil {
			r.Fatal(err)
		}
	}

	r.restart()
}

// running is the record of a job whose handler runs for the first time.
func running() job.Record {
	id := job.NewID()

	return job.Record{
		ID: id, Spool: "orders", Name: "a", File: "a", State: job.Processing,
		Attempt: 1, CreatedAt: time.Now(), StartedAt: time.Now(),
	}
}

// on is rec with a move that is not confirmed.
func on(rec job.Record, state job.State, from job.Folder) job.Record {
	rec.State = state
	rec.Moving = &job.Move{From: from, File: "a", To: state.Folder(), Name: "a", ID: rec.ID}

	return rec
}

// ended is rec with an attempt that has ended.
func ended(rec job.Record) job.Record {
	rec.Exit = &job.Exit{}

	return rec
}

// TestCrashAtEachStep is the table of docs/reliability.md: at which step the
// daemon died, and what the next start does.
func TestCrashAtEachStep(t *testing.T) {
	t.Parallel()

	claimed := running()
	claimed.StartedAt, claimed.Attempt = time.Time{}, 0

	for _, step := range []struct {
		name  string
		rec   job.Record
		files []string // where the file was found
		want  []string
		runs  int
		said  string
	}{
		{
			"claim noted, not made", on(claimed, job.Processing, job.InboxFolder),
			[]string{"inbox/a"},
			[]string{"done/a"},
			1, "job done",
		},
		{
			"claim made, not confirmed", on(claimed, job.Processing, job.InboxFolder),
			[]string{"processing/a"},
			[]string{"done/a"},
			1, "job done",
		},
		{"handler started", running(), []string{"processing/a"}, []string{"done/a"}, 1, "job interrupted"},
		{
			"success noted, file not moved", on(ended(running()), job.Done, job.ProcessingFolder),
			[]string{"processing/a"},
			[]string{"done/a"},
			0, "job done",
		},
		{
			"success noted, file moved", on(ended(running()), job.Done, job.ProcessingFolder),
			[]string{"done/a"},
			[]string{"done/a"},
			0, "job done",
		},
		{
			"success noted, name taken, file not moved", on(ended(running()), job.Done, job.ProcessingFolder),
			[]string{"processing/a", "done/a"},
			[]string{"done/a", "done/a.ID"},
			0, "job done",
		},
		{
			"failure noted, file not moved", on(ended(running()), job.Failed, job.ProcessingFolder),
			[]string{"processing/a"},
			[]string{"failed/a"},
			0, "job failed",
		},
		{
			"deferral noted, file not moved", on(ended(running()), job.Deferred, job.ProcessingFolder),
			[]string{"processing/a"},
			[]string{"done/a"},
			1, "job deferred",
		},
		{
			"deferral noted, file moved", on(ended(running()), job.Deferred, job.ProcessingFolder),
			[]string{"deferred/a"},
			[]string{"done/a"},
			1, "job deferred",
		},
		{
			"about to be fetched", on(ended(running()), job.Processing, job.DeferredFolder),
			[]string{"deferred/a"},
			[]string{"done/a"},
			1, "job done",
		},
		{
			"fetched", on(ended(running()), job.Processing, job.DeferredFolder),
			[]string{"processing/a"},
			[]string{"done/a"},
			1, "job done",
		},
		{"file gone", running(), nil, nil, 0, "vanished"},
		{"success noted, file gone", on(ended(running()), job.Done, job.ProcessingFolder), nil, nil, 0, "job done"},
	} {
		t.Run(step.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				if _, err := os.Stat(r.disk.Dir()); err != nil {
					r.Fatal(err)
				}

				rec := step.rec
				if len(step.files) > 0 {
					r.dies(job.Record{ID: job.NewID(), Name: "z", State: job.Done}, step.files...)

					if f, err := r.disk.Stat(folderOf(step.files[0])); err == nil {
						rec.Seen = f
					}
				}

				r.dies(rec)
				r.start()
				r.pass(time.Hour)

				want := make([]string, 0, len(step.want))
				for _, path := range step.want {
					if path == "done/a.ID" {
						path = "done/" + job.WithID("a", rec.ID)
					}

					want = append(want, path)
				}

				r.want(want...)
				r.runs("a", step.runs)
				r.said(1, step.said)
				r.stops()
			})
		})
	}
}

// folderOf splits a path of a test.
func folderOf(path string) (job.Folder, string) {
	for i := range path {
		if path[i] == '/' {
			return job.Folder(path[:i]), path[i+1:]
		}
	}

	return "", path
}

func TestCrashesDelayAndThenFail(t *testing.T) {
	bubble(t, func(r *rig) {
		rec := running()

		for crash := 1; crash < 10; crash++ {
			rec.Crashes, rec.Interruptions, rec.State, rec.Moving = crash-1, crash-1, job.Processing, nil
			r.dies(rec, "processing/a")

			if err := r.build().Recover(r.Context(), process.Past{}); err != nil {
				r.Fatal(err)
			}

			got, err := r.ledger.Get(rec.ID)
			if err != nil {
				r.Fatal(err)
			}

			if wait := time.Until(got.DueAt); got.Crashes != crash || (wait > 0) != (crash > 1) {
				r.Errorf("after crash %d: %d crashes, due in %v", crash, got.Crashes, wait)
			}

			if err := os.Remove(r.disk.Path(job.DeferredFolder, "a")); err != nil {
				r.Fatal(err)
			}
		}

		rec.Crashes, rec.State = 9, job.Processing
		r.dies(rec, "processing/a")
		r.start()
		r.want("failed/a")
		r.said(1, "suspect: the daemon has died 10 times")
		r.stops()
	})
}

// TestPowerCutUndoesAClaim finds the file of a job that was started in the inbox again.
func TestPowerCutUndoesAClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		rec := running()
		r.dies(job.Record{ID: job.NewID(), Name: "z", State: job.Done}, "inbox/a")

		var err error
		if rec.Seen, err = r.disk.Stat(job.InboxFolder, "a"); err != nil {
			r.Fatal(err)
		}

		r.dies(rec)

		if err := r.build().Recover(r.Context(), process.Past{Cut: true}); err != nil {
			r.Fatal(err)
		}

		if n := r.ledger.Shown(job.Deferred); n != 1 {
			r.Errorf("%d jobs, want 1", n)
		}

		r.start()
		r.want("done/a")

		if got, err := r.ledger.Get(rec.ID); err != nil || got.State != job.Done || got.Crashes != 1 {
			r.Errorf("job %+v, %v", got, err)
		}

		r.stops()
	})
}

// TestForeignFileInTheInboxIsNotTheJobs: the name was used again.
func TestForeignFileInTheInboxIsNotTheJobs(t *testing.T) {
	bubble(t, func(r *rig) {
		rec := running()
		r.dies(rec, "inbox/a")
		r.start()
		r.pass(time.Minute)
		r.said(1, "vanished")
		r.want("done/a")

		if _, err := r.ledger.Get(rec.ID); err != nil {
			r.Error(err)
		}

		r.stops()
	})
}

func TestUnknownFilesInProcessing(t *testing.T) {
	t.Parallel()

	for _, past := range []process.Past{{Fresh: true}, {Cut: true}, {}} {
		t.Run(fmt.Sprintf("%+v", past), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.drop(job.ProcessingFolder, "left", "left")

				if err := r.build().Recover(r.Context(), past); err != nil {
					r.Fatal(err)
				}

				if past.Fresh || past.Cut {
					r.want("deferred/left")
				} else {
					r.want("processing/left") // a handler's dropping: upkeep takes it away
				}
			})
		})
	}
}

// TestClaimThatFailedLeavesNoJob would find the name under way for ever.
func TestClaimThatFailedLeavesNoJob(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(func(call string) error {
			return errors.Join(failing("claim", job.ErrDisk)(call), failing("drop", job.ErrDisk)(call))
		})
		r.inbox("a")
		r.start()
		r.pass(time.Minute)
		r.want("inbox/a")
		r.disk.breaks(nil)
		r.pass(5 * time.Minute)
		r.want("done/a")
		r.stops()
	})
}

// TestManyUnknownFiles: more than are brought to their end together.
func TestManyUnknownFiles(t *testing.T) {
	bubble(t, func(r *rig) {
		const files = 600

		r.disk.quick = true
		for i := range files {
			r.drop(job.ProcessingFolder, fmt.Sprint(i), "x")
		}

		r.start()
		r.pass(time.Minute)

		if done, runs := len(r.names(job.DoneFolder)), len(r.book.with("run ")); done != files || runs != files {
			r.Errorf("%d done, %d runs", done, runs)
		}

		r.said(files, "job done")
		r.stops()
	})
}

// TestJournalThatCannotBeTrusted ends the spool at the first claim.
func TestJournalThatCannotBeTrusted(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(failing("note a=processing", job.ErrUntrusted))
		r.inbox("a")
		r.start()

		if err := <-r.ended; !errors.Is(err, job.ErrUntrusted) {
			r.Errorf("Run: %v", err)
		}

		r.want("inbox/a")
	})
}

// TestStoredTimesAreCut: the clock was far ahead as the time was stored.
func TestStoredTimesAreCut(t *testing.T) {
	bubble(t, func(r *rig) {
		rec := ended(running())
		rec.State, rec.DueAt = job.Deferred, time.Now().Add(10*365*24*time.Hour)
		r.dies(rec, "deferred/a")
		r.start()
		r.want("deferred/a")
		r.pass(12 * time.Minute)
		r.want("done/a")
		r.stops()
	})
}
