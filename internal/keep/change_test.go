package keep_test

import (
	"fmt"
	"testing"
	"time"

	"importerd/internal/job"
)

func TestChangeHoldsForTheNextRound(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.made("old", job.Done, 31*day)
		r.made("young", job.Done, 2*day)
		r.made("bad", job.Failed, 91*day)
		r.cfg.Done, r.cfg.Failed = 0, 0
		r.start()
		r.pass(61 * time.Minute)
		r.stays("done/old", "done/young", "failed/bad")

		r.cfg.Done = 30 * day
		r.changes()
		r.pass(11 * time.Minute)
		r.gone("done/old")
		r.stays("done/young", "failed/bad")

		r.cfg.Done = day
		r.changes()
		r.changes() // no others
		r.pass(11 * time.Minute)
		r.gone("done/young")
		r.stops()

		r.cfg.Logs = 0
		if err := r.keeper.Change(r.cfg); err == nil {
			t.Error("logs that are kept for no time at all")
		}
	})
}

// TestChangeStopsTheRound: who sees that too much is being removed has no time to lose.
func TestChangeStopsTheRound(t *testing.T) {
	bubble(t, year, func(r *rig) {
		const files = 350

		for i := range files {
			r.made(fmt.Sprint("job", i), job.Done, 2*day)
		}

		r.cfg.Done = day
		removed := 0
		r.call = func(what, _ string) error {
			if what != "file" {
				return nil
			}

			if removed++; removed == 10 {
				r.cfg.Done = 30 * day
				r.changes()
			}

			return nil
		}

		r.start()
		r.pass(3 * time.Hour)
		r.stops()

		if removed < 10 || removed > 100 {
			t.Errorf("%d of %d files were removed, want those of one batch at most", removed, files)
		}
	})
}

func (r *rig) changes() {
	r.Helper()

	if err := r.keeper.Change(r.cfg); err != nil {
		r.Error(err)
	}
}
