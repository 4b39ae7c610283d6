package keep_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"importerd/internal/job"
)

func TestRemovesAllThatIsTheJobs(t *testing.T) {
	bubble(t, year, func(r *rig) {
		outside := r.TempDir()
		r.write(outside+"/precious", "x")
		r.write(r.Path(job.ResultsFolder, "old")+"/a/b", "x")

		if err := os.Symlink(outside, r.Path(job.ResultsFolder, "old")+"/out"); err != nil {
			r.Fatal(err)
		}

		rec := r.made("old", job.Done, 31*day)
		rec.Results = "old"
		rec = r.record(rec, job.Done, 31*day)
		r.logged(rec.ID, 10, time.Hour)

		young := r.made("young", job.Done, 29*day)
		r.write(r.Path(job.ResultsFolder, "young")+"/a", "x")

		failed := r.made("bad", job.Failed, 91*day)
		r.write(r.Path(job.ErrorsFolder, "bad.txt"), "why")
		r.logged(failed.ID, 10, time.Hour)

		r.made("ended", job.Terminated, 91*day)
		lasting := r.made("worse", job.Failed, 89*day)
		r.write(r.Path(job.ErrorsFolder, "worse.txt"), "why")

		none := r.record(job.Record{ID: job.NewID(), Name: "none"}, job.Failed, 91*day)
		note := job.WithID("none", none.ID)
		r.write(r.Path(job.ErrorsFolder, note+".txt"), "why")

		r.start()
		r.pass(61 * time.Minute)
		r.stops()

		r.gone("done/old", "results/old", "failed/bad", "errors/bad.txt", "failed/ended", "errors/"+note+".txt",
			".importerd/work/"+rec.ID.String(), ".importerd/logs/"+rec.ID.String()+".log",
			".importerd/logs/"+failed.ID.String()+".log")
		r.stays("done/young", "results/young/a", "failed/worse", "errors/worse.txt")
		r.knows(young, lasting)
		r.said(1, "removed what was kept long enough", `"jobs":4`)

		if _, err := os.Stat(outside + "/precious"); err != nil {
			r.Error(err)
		}
	})
}

func TestForgetsTheRecordLast(t *testing.T) {
	bubble(t, year, func(r *rig) {
		rec := r.made("old", job.Done, 31*day)
		r.write(r.Path(job.ResultsFolder, "old")+"/a", "x")

		rec.Results = "old"
		r.record(rec, job.Done, 31*day)
		r.made("bad", job.Failed, 91*day)

		r.start()
		r.pass(61 * time.Minute)
		r.stops()
		r.order("file old", "results old", "log ", "sync done", "records ",
			"file bad", "note bad", "log ", "sync failed", "records ")
	})
}

func TestKeepsForEverUnlessTold(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.cfg.Done, r.cfg.Failed = 0, 0
		done, failed := r.made("a", job.Done, 1000*day), r.made("b", job.Failed, 1000*day)
		r.start()
		r.pass(3 * time.Hour)
		r.stops()
		r.stays("done/a", "failed/b")
		r.knows(done, failed)
		r.order()
	})
}

func TestLeavesWhatIsNotTheJobs(t *testing.T) {
	for name, replace := range map[string]func(r *rig, path string) error{
		"another file": func(r *rig, path string) error {
			r.write(path+".new", "other")

			return os.Rename(path+".new", path)
		},
		"alike, but another inode": func(r *rig, path string) error {
			info, err := os.Stat(path)
			r.write(path+".new", filepath.Base(path))

			return errors.Join(err, os.Chtimes(path+".new", time.Time{}, info.ModTime()), os.Rename(path+".new", path))
		},
		"the file, edited": func(_ *rig, path string) error { return os.WriteFile(path, []byte("edited!"), 0o600) },
		"the file, touched": func(_ *rig, path string) error {
			return os.Chtimes(path, time.Time{}, time.Unix(1e9, 0))
		},
		"a directory": func(r *rig, path string) error {
			err := os.Remove(path)
			r.write(path+"/file", "x")

			return err
		},
		"a link": func(r *rig, path string) error {
			r.write(r.Path(job.DoneFolder, "precious"), "x")

			return errors.Join(os.Remove(path), os.Symlink("../done/precious", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, year, func(r *rig) {
				r.made("a.csv", job.Failed, 91*day)
				r.write(r.Path(job.ErrorsFolder, "a.csv.txt"), "why")

				if err := replace(r, r.Path(job.FailedFolder, "a.csv")); err != nil {
					r.Fatal(err)
				}

				r.start()
				r.pass(61 * time.Minute)
				r.stops()
				r.stays("failed/a.csv", "errors/a.csv.txt")
				r.knows()
				r.said(1, `"others":1`)
			})
		})
	}
}

func TestLeavesResultsThatAreNone(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.write(r.Path(job.ResultsFolder, "precious")+"/a", "x")

		rec := r.made("a", job.Done, 31*day)
		rec.Results = "a"
		r.record(rec, job.Done, 31*day)

		if err := os.Symlink("precious", r.Path(job.ResultsFolder, "a")); err != nil {
			r.Fatal(err)
		}

		rec = r.made("b", job.Done, 31*day)
		rec.Results = "b"
		r.record(rec, job.Done, 31*day)
		r.write(r.Path(job.ResultsFolder, "b"), "a file")

		r.start()
		r.pass(61 * time.Minute)
		r.stops()
		r.gone("done/a", "done/b")
		r.stays("results/a", "results/b", "results/precious/a")
		r.knows()
	})
}

// A person has moved a file back to the inbox, and it came to the same place again.
func TestLeavesTheFileOfAYoungerJob(t *testing.T) {
	bubble(t, -time.Hour, func(r *rig) {
		first := r.made("a", job.Failed, 91*day)
		r.write(r.Path(job.ErrorsFolder, "a.txt"), "why")

		second := r.record(job.Record{ID: job.NewID(), Name: "a", File: "a"}, job.Failed, day)

		r.write(r.Path(job.ResultsFolder, "b")+"/x", "x")

		third := r.made("b", job.Done, 31*day)
		third.Results = "b"
		r.record(third, job.Done, 31*day)

		fourth := job.Record{ID: job.NewID(), Name: "b", File: "b", Results: "b"}
		fourth.Moving = &job.Move{From: job.ProcessingFolder, File: "b", To: job.DoneFolder, Name: "b", ID: fourth.ID}
		fourth = r.record(fourth, job.Done, time.Minute)
		fourth.File = "b." + fourth.ID.String() // in processing/, as it is written down before the move

		if err := r.journal.Commit(fourth); err != nil {
			r.Fatal(err)
		}

		alone := r.made("c", job.Done, 31*day)
		other := r.record(job.Record{ID: job.NewID(), Name: "c"}, job.Done, time.Minute) // its file was moved on

		r.start()
		r.pass(61 * time.Minute)
		r.stops()
		r.stays("failed/a", "errors/a.txt", "done/b", "results/b/x")
		r.gone("done/c")
		r.knows(second, fourth, other)

		_, _ = first, alone
	})
}

func TestWhatIsGoneAlreadyIsForgotten(t *testing.T) {
	bubble(t, year, func(r *rig) {
		rec := r.made("a", job.Done, 31*day)
		rec.Results = "a"
		r.record(rec, job.Done, 31*day)

		if err := os.Remove(r.Path(job.DoneFolder, "a")); err != nil {
			r.Fatal(err)
		}

		r.write(r.Path(job.OwnFolder, "work")+"/"+rec.ID.String()+"/half", "left by a crash")
		r.start()
		r.pass(61 * time.Minute)
		r.stops()
		r.knows()
		r.gone(".importerd/work/" + rec.ID.String())
	})
}

func TestTriesLaterWhatCannotBeRemoved(t *testing.T) {
	bubble(t, year, func(r *rig) {
		var stuck []job.Record

		for i := range 150 { // more than a batch
			stuck = append(stuck, r.made(fmt.Sprintf("stuck-%03d", i), job.Done, 31*day))
		}

		r.made("other", job.Done, 31*day)

		refused := errors.New("immutable")
		r.call = func(what, name string) error {
			if what == "file" && name != "other" && refused != nil {
				return refused
			}

			return nil
		}

		r.start()
		r.pass(2 * time.Hour)
		r.gone("done/other")
		r.stays("done/stuck-000", "done/stuck-149")
		r.knows(stuck...)
		r.said(1, "not removed, tried again later", `"count":150`, `"example":"stuck-000"`, "immutable")

		r.mu.Lock()
		refused = nil
		r.mu.Unlock()

		r.pass(10 * time.Minute)
		r.knows()
		r.stops()
	})
}

func TestJournalTroubleIsSaidAndTriedLater(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.made("a", job.Done, 31*day)

		full := fmt.Errorf("%w: full", job.ErrDisk)
		r.call = func(what, _ string) error {
			if what == "records" {
				return full
			}

			return nil
		}

		r.start()
		r.pass(2 * time.Hour)
		r.gone("done/a")
		r.said(1, "not removed, tried again later", "the disk refuses: full")

		r.mu.Lock()
		full = nil
		r.mu.Unlock()

		r.pass(10 * time.Minute)
		r.stops()
		r.knows()
	})
}

func TestFailedFlushEndsIt(t *testing.T) {
	bubble(t, year, func(r *rig) {
		rec := r.made("a", job.Done, 31*day)
		r.call = func(what, _ string) error {
			if what == "sync" {
				return job.ErrUntrusted
			}

			return nil
		}

		r.start()
		r.pass(61 * time.Minute)
		r.knows(rec)

		select {
		case err := <-r.ended:
			if !errors.Is(err, job.ErrUntrusted) {
				r.Errorf("Run: %v, want %v", err, job.ErrUntrusted)
			}
		default:
			r.Error("Run goes on")
			r.stops()
		}
	})
}

func TestStopsInTheMiddleAndGoesOn(t *testing.T) {
	bubble(t, year, func(r *rig) {
		var all []job.Record
		for i := range 250 {
			all = append(all, r.made(fmt.Sprintf("f-%03d", i), job.Done, 31*day))
		}

		files := 0
		r.call = func(what, _ string) error {
			if what == "file" {
				if files++; files == 150 {
					r.cancel()
				}
			}

			return nil
		}

		r.start()
		r.pass(61 * time.Minute)
		r.stops()
		r.gone("done/f-149")
		r.stays("done/f-150")
		r.knows(all[100:]...)

		r.start()
		r.pass(61 * time.Minute)
		r.stops()
		r.gone("done/f-249")
		r.knows()
	})
}
