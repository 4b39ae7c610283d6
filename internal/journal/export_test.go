package journal

import (
	"time"

	"importerd/internal/job"
)

// Waiting says how many requests stand in line.
func (j *Journal) Waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()

	return len(j.queue)
}

// Transactions says how many were begun. Nobody must be writing.
func (j *Journal) Transactions() int { return j.writer.transactions }

// CutDueAndNote has CutDue and Note in one transaction, as those who come together.
func (j *Journal) CutDueAndNote(limit time.Time, rec job.Record) error {
	return j.write([]*request{cutDue(limit), {recs: []job.Record{rec}}})
}

// Prepared says how many statements are kept. Nobody must be writing.
func (j *Journal) Prepared() int { return len(j.writer.conn.prepared) }

// Fold moves the -wal into the database. Nobody must be writing.
func (j *Journal) Fold() error { return j.writer.checkpoint("PASSIVE") }
