package app

import (
	"iter"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/keep"
	"importerd/internal/spool"
)

// history is a journal for the keeper, which does not care about its counter.
type history struct{ *journal.Journal }

// Ended passes the call on.
func (h history) Ended(state job.State, before time.Time, n int) ([]job.Record, error) {
	entries, err := h.Journal.Ended(state, before, n)
	recs := make([]job.Record, 0, len(entries))

	for _, e := range entries {
		recs = append(recs, e.Record)
	}

	return recs, err //nolint:wrapcheck // passed on
}

// Later yields the younger jobs of these names. It looks through the whole history.
func (h history) Later(state job.State, since time.Time, names map[string]bool) iter.Seq2[job.Record, error] {
	q := journal.Query{State: state, Since: since, Match: func(name string) bool { return names[name] }}

	return func(yield func(job.Record, error) bool) {
		for entry, err := range h.All(q) {
			if !yield(entry.Record, err) {
				return
			}
		}
	}
}

// State returns the state of a job.
func (h history) State(id job.ID) (job.State, error) {
	e, err := h.Get(id)

	return e.State, err //nolint:wrapcheck // passed on
}

// Lasting yields the jobs that have not ended, and those that failed. One whose
// file's last move is not confirmed would be both: it comes once.
func (h history) Lasting() iter.Seq2[job.ID, error] {
	return func(yield func(job.ID, error) bool) {
		all := []iter.Seq2[journal.Entry, error]{
			h.Unfinished(), h.All(journal.Query{State: job.Failed}), h.All(journal.Query{State: job.Terminated}),
		}

		for i, some := range all {
			for entry, err := range some {
				twice := i > 0 && entry.Moving != nil
				if !twice && !yield(entry.ID, err) {
					return
				}
			}
		}
	}
}

// logs are a spool's logs in the keeper's words.
type logs struct{ *spool.Spool }

// Logs passes the call on.
func (l logs) Logs() iter.Seq2[keep.Log, error] {
	return func(yield func(keep.Log, error) bool) {
		for log, err := range l.Spool.Logs() {
			if !yield(keep.Log(log), err) {
				return
			}
		}
	}
}

// Log passes the call on.
func (l logs) Log(id job.ID) (keep.Log, error) {
	log, err := l.Spool.Log(id)

	return keep.Log(log), err
}
