package process_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"importerd/internal/job"
)

// TestReserveIsGivenUpForOutcomes fills the disk: what the reserve holds is all
// that is left.
func TestReserveIsGivenUpForOutcomes(t *testing.T) {
	bubble(t, func(r *rig) {
		var spent, free atomic.Bool

		r.disk.breaks(func(call string) error {
			switch {
			case call == "spend reserve":
				spent.Store(true)
			case !free.Load() && call == "fill reserve", !spent.Load() && call == "note a=done":
				return job.ErrDisk
			}

			return nil
		})

		r.inbox("a")
		r.start()
		r.pass(time.Second)
		r.want("done/a")
		r.order("note a=done", "spend reserve", "commit", "move processing/a", "job done")
		r.runs("a", 1)

		r.inbox("b") // nothing is claimed until the reserve is whole again
		r.pass(time.Minute)
		r.want("done/a", "inbox/b")

		if c := r.pool.Counts(); !strings.Contains(c.Disk, job.ErrDisk.Error()) {
			r.Errorf("counts %+v", c)
		}

		free.Store(true)

		r.pass(time.Minute)
		r.want("done/a", "done/b")
		r.said(1, "disk takes outcomes again")
		r.stops()
	})
}

// TestFailedFlushInProcessingIsForAPerson: a second flush would succeed and mean nothing.
func TestFailedFlushInProcessingIsForAPerson(t *testing.T) {
	bubble(t, func(r *rig) {
		r.drop(job.DeferredFolder, "a", "a")
		r.fails("flush processing", job.ErrDisk)
		r.start()
		r.pass(time.Hour)
		r.want("failed/a")
		r.runs("a", 0)
		r.stops()
	})
}
