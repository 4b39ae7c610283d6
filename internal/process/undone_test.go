package process_test

import (
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/process"
)

// TestUndoneClaimIsOneJob: a file that is claimed again because a power cut
// has undone its claim is not taken for one that no job knows as well.
func TestUndoneClaimIsOneJob(t *testing.T) {
	bubble(t, func(r *rig) {
		r.inbox("a")

		f, err := r.disk.Stat(job.InboxFolder, "a")
		if err != nil {
			r.Fatal(err)
		}

		rec := job.Record{
			ID: job.NewID(), Spool: "test", Name: "a", File: "a", State: job.Processing, Attempt: 1,
			CreatedAt: time.Now(), StartedAt: time.Now(), Seen: f, Size: f.Size,
		}

		if err := r.ledger.Note(rec); err != nil {
			r.Fatal(err)
		}

		if err := r.build().Recover(r.Context(), process.Past{Cut: true}); err != nil {
			r.Fatal(err)
		}

		r.want("deferred/a")
		r.said(0, "job failed")
		r.said(1, "job interrupted")
	})
}
