package app

import (
	"context"
	"sync/atomic"
	"time"

	"importerd/internal/control/metrics"
	"importerd/internal/control/monitor"
	"importerd/internal/job"
)

// teller passes on what the pool tells. What is told before the feed is open, in
// recovery, nobody can have asked for: the monitor finds it in the journal.
type teller struct {
	feed  atomic.Pointer[monitor.Feed]
	count *metrics.Spool
}

// open begins to pass on.
func (t *teller) open(feed *monitor.Feed) { t.feed.Store(feed) }

// finish waits until all clients have heard what was told, some seconds at most.
func (t *teller) finish(ctx context.Context) {
	if feed := t.feed.Load(); feed != nil {
		feed.Finish(ctx)
	}
}

// close ends it.
func (t *teller) close() {
	if t == nil {
		return
	}

	if feed := t.feed.Swap(nil); feed != nil {
		feed.Close()
	}
}

// Ended passes an end on.
func (t *teller) Ended(rec job.Record) {
	t.count.Ended(rec)

	rec.Moving = nil // it has been made, though the journal may not know yet

	if feed := t.feed.Load(); feed != nil {
		feed.Ended(rec)
	}
}

// Withhold passes on which ends are not true yet.
func (t *teller) Withhold(ids []job.ID) {
	if feed := t.feed.Load(); feed != nil {
		feed.Withhold(ids)
	}
}

// Changed passes on how a job is that has not ended.
func (t *teller) Changed(rec job.Record, progress *float64) {
	if feed := t.feed.Load(); feed != nil {
		feed.Changed(rec, progress)
	}
}

// Started counts how long a file has waited.
func (t *teller) Started(rec job.Record, arrived time.Time) { t.count.Started(rec, arrived) }

// Attempted counts an attempt.
func (t *teller) Attempted(rec job.Record, verdict job.Verdict) { t.count.Attempted(rec, verdict) }
