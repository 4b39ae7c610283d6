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
