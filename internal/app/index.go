package app

import (
	"iter"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// index is a journal for the pool, which does not care about its counter.
type index struct{ *journal.Journal }

// Unfinished passes the call on.
func (i index) Unfinished() iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		for entry, err := range i.Journal.Unfinished() {
			if !yield(entry.Record, err) {
				return
			}
		}
	}
}

// Get passes the call on.
func (i index) Get(id job.ID) (job.Record, error) {
	entry, err := i.Journal.Get(id)

	return entry.Record, err //nolint:wrapcheck // passed on
}

// Waiting says how many jobs are in that state.
func (i index) Waiting(state job.State) int {
	return i.Shown(state)
}
