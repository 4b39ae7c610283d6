package process_test

import (
	"slices"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
)

func TestAttemptsAreTold(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(1, 75, 0))
		r.inbox("a")
		r.start()
		r.pass(time.Hour)
		r.stops()
		r.want("done/a")

		if want := []job.Verdict{job.Refused, job.Later, job.Succeeded}; !slices.Equal(r.heard.attempts, want) {
			t.Errorf("told of %v, want %v", r.heard.attempts, want)
		}

		if len(r.heard.started) != 1 {
			t.Errorf("told %d times that it began, want once", len(r.heard.started))
		}
	})
}

// TestStartIsToldOnce: the waits between attempts are not the wait for the first one.
func TestStartIsToldOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(75, 65, 0))
		r.inbox("a")
		r.start()
		r.pass(time.Hour)
		r.want("failed/a")

		if len(r.heard.started) != 1 {
			t.Errorf("told %d times that it began, want once", len(r.heard.started))
		}

		for e, err := range r.ledger.All(journal.Query{}) {
			if err != nil {
				t.Fatal(err)
			}

			if _, err := r.pool.Steer(r.Context(), e.ID, job.Retry); err != nil {
				t.Error(err)
			}
		}

		r.pass(time.Hour)
		r.stops()
		r.want("done/a")

		if n := len(r.heard.started); n != 2 || r.heard.started[n-1] > time.Minute {
			t.Errorf("after a retry told of %v: a retry counts as arrival", r.heard.started)
		}
	})
}
