package keep_test

import (
	"os"
	"testing"
	"time"

	"importerd/internal/job"
)

// noted is a job in a state, with a log of so many bytes written to so long ago.
func (r *rig) noted(state job.State, size int, ago time.Duration) string {
	r.Helper()

	rec := r.record(job.Record{ID: job.NewID(), Name: "x"}, state, ago)
	r.logged(rec.ID, size, ago)

	return ".importerd/logs/" + rec.ID.String() + ".log"
}

func TestRemovesOldLogsOfDoneJobs(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.cfg.Done, r.cfg.Failed = 0, 0
		old, young := r.noted(job.Done, 10, 7*day), r.noted(job.Done, 10, 7*day-2*time.Hour)
		open, deferred := r.noted(job.Processing, 10, 100*day), r.noted(job.Deferred, 10, 100*day)
		failed, terminated := r.noted(job.Failed, 10, 100*day), r.noted(job.Terminated, 10, 100*day)

		id := job.NewID()
		r.logged(id, 10, 8*day)

		orphan := ".importerd/logs/" + id.String() + ".log"
		r.write(r.Path(job.OwnFolder, "logs")+"/README", "a person's")
		r.write(r.Path(job.OwnFolder, "logs")+"/"+job.NewID().String()+".log/x", "a directory")

		if err := os.Chtimes(r.Path(job.OwnFolder, "logs")+"/README", time.Unix(0, 0), time.Unix(0, 0)); err != nil {
			r.Fatal(err)
		}

		r.start()
		r.pass(61 * time.Minute)
		r.stops()
		r.gone(old, orphan)
		r.stays(young, open, deferred, failed, terminated, ".importerd/logs/README")
		r.said(1, "removed what was kept long enough", `"logs":2`)
	})
}

func TestLogsHaveABound(t *testing.T) {
	bubble(t, year, func(r *rig) {
		const size = 1 << 20

		r.cfg.Space = 4 * size

		var done []string
		for hours := range 6 {
			done = append(done, r.noted(job.Done, size, time.Duration(hours+1)*time.Hour))
		}

		failed := r.noted(job.Failed, 8*size, 2*time.Hour) // does not count, and stays
		open := r.noted(job.Processing, 8*size, 10*time.Hour)

		r.start()
		r.pass(61 * time.Minute)
		r.stays(append(done[:4:4], failed, open)...)
		r.gone(done[4:]...)

		next := r.noted(job.Done, size, 0)
		r.pass(10 * time.Minute)
		r.stops()
		r.stays(append(done[:3:3], next)...)
		r.gone(done[3])
	})
}

func TestManyLogsOfOneAge(t *testing.T) {
	bubble(t, year, func(r *rig) {
		const n = 3000

		for range n {
			r.logged(job.NewID(), 1, 3*day)
		}

		entries, err := os.ReadDir(r.Path(job.OwnFolder, "logs"))
		if err != nil || len(entries) != n {
			r.Fatal(len(entries), err)
		}

		one, err := r.Log(must(job.ParseID(entries[0].Name()[:36])))
		if err != nil || one.Space == 0 {
			r.Skip("needs a file system that allots blocks at once")
		}

		r.cfg.Space = one.Space * 1000
		r.start()
		r.pass(61 * time.Minute)

		if entries, err = os.ReadDir(r.Path(job.OwnFolder, "logs")); err != nil || len(entries) != 1000 {
			r.Errorf("%d logs are left, %v; want 1000", len(entries), err)
		}

		r.stops()
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}

	return v
}

func TestStopsInTheMiddleOfLogs(t *testing.T) {
	bubble(t, year, func(r *rig) {
		for range 250 {
			r.logged(job.NewID(), 1, 8*day)
		}

		logs := 0
		r.call = func(what, _ string) error {
			if what == "log" {
				if logs++; logs == 120 {
					r.cancel()
				}
			}

			return nil
		}

		r.start()
		r.pass(61 * time.Minute)
		r.stops()

		if entries, err := os.ReadDir(r.Path(job.OwnFolder, "logs")); err != nil || len(entries) != 130 {
			r.Errorf("%d logs are left, %v; want 130", len(entries), err)
		}
	})
}

func TestLogThatCannotBeRemoved(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.logged(job.NewID(), 1, 8*day)

		r.call = func(what, _ string) error {
			if what == "log" {
				return os.ErrPermission
			}

			return nil
		}

		r.start()
		r.pass(2 * time.Hour)
		r.stops()
		r.said(1, "not removed", ".log", "permission denied")
	})
}
