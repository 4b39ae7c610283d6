package process_test

import (
	"context"
	"testing"
	"time"

	"importerd/internal/job"
)

// TestOperatorIsToldAtLeastOnce stops the daemon while the command that tells
// of a failure runs: the next start tells again, and the one after that does not.
func TestOperatorIsToldAtLeastOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(65))
		r.limit = time.Second
		r.notify = func(ctx context.Context, _ job.Record, _ []byte) error {
			r.book.add("begun")
			<-ctx.Done()

			return ctx.Err()
		}
		r.inbox("a")
		r.start()
		r.want("failed/a")
		r.stops()

		r.notify = func(_ context.Context, rec job.Record, _ []byte) error {
			r.book.add("told %s", rec.File)

			return nil
		}

		for range 2 {
			r.restart()
			r.start()
			r.stops()
		}

		if begun, told := len(r.book.with("begun")), len(r.book.with("told a")); begun != 1 || told != 1 {
			r.Errorf("begun %d times, told %d times", begun, told)
		}

		r.runs("a", 1)
		r.want("failed/a")
	})
}

// TestCommandThatHangsHoldsUpNobodyForEver: those behind it get their turn.
func TestCommandThatHangsHoldsUpNobodyForEver(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(exits(65))
		r.notify = func(ctx context.Context, rec job.Record, _ []byte) error {
			r.book.add("begun %s", rec.Name)
			<-ctx.Done()

			return ctx.Err()
		}
		r.inbox("a", "b")
		r.start()
		r.pass(time.Hour)

		if begun := r.book.with("begun"); len(begun) != 2 {
			r.Errorf("%v", begun)
		}

		r.stops()
	})
}
