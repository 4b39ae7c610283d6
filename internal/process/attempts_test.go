package process_test

import (
	"slices"
	"testing"
	"time"

	"importerd/internal/job"
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
