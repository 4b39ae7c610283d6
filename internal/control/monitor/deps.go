package monitor

import "importerd/internal/job"

// Journal is a spool's durable record, as the monitor reads it.
type Journal interface {
	// ID tells this journal from every other one.
	ID() string
	// Get returns a job; fs.ErrNotExist: there is none.
	Get(id job.ID) (job.Record, error)
	// Told returns up to n jobs that have ended with a Cursor above after, in that order.
	Told(after int64, n int) ([]job.Record, error)
	// LastCursor is the highest Cursor given so far.
	LastCursor() int64
}
