package wire_test

import (
	"testing"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

func TestJobOfBytes(t *testing.T) {
	t.Parallel()

	rec := job.Record{Name: "a\xff", File: "b\xff", Results: "c", Exit: &job.Exit{
		Code: -1, Signal: "SIGKILL", CPU: 1500 * time.Millisecond, MaxMemory: 7,
	}}
	j := wire.JobOf(rec)

	if j.Name != `a\xff` || j.NameB64 != "Yf8=" || j.FileB64 != "Yv8=" || j.ResultsB64 != "" {
		t.Errorf("%+v", j)
	}

	if j.ExitCode != nil || j.Signal != "SIGKILL" || j.CPU != 1.5 || j.MaxMemory != 7 {
		t.Errorf("%+v", j)
	}
}

// A job that is frozen is paused, and only a deferred one is due.
func TestJobOfStates(t *testing.T) {
	t.Parallel()

	rec := job.Record{State: job.Processing, Wish: job.WishPause, DueAt: time.Now()}
	if j := wire.JobOf(rec); j.State != job.Paused || !j.DueAt.IsZero() {
		t.Errorf("%+v", j)
	}

	rec.State = job.Deferred
	if j := wire.JobOf(rec); j.State != job.Deferred || j.DueAt.IsZero() {
		t.Errorf("%+v", j)
	}
}
