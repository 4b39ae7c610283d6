package journal

import (
	"fmt"
	"math"
	"time"

	"importerd/internal/job"
)

// Ended returns up to n jobs in a state that is an end, that ended before a
// time and whose file's move is confirmed: those recorded first come first.
func (r *Reader) Ended(state job.State, before time.Time, n int) ([]Entry, error) {
	if !state.Ended() {
		return nil, fmt.Errorf("bug: state %q is no end", state)
	}

	if state != job.Done { // few, with an index of their own
		return r.entries("WHERE state = ? AND state IN ('failed', 'terminated') AND open = 0 AND finished_at < ?"+
			" ORDER BY seq LIMIT ?", string(state), moment(before), n)
	}

	if err := r.trouble(); err != nil {
		return nil, err
	}

	seqs, err := r.oldDone(before, n)
	if err != nil {
		return nil, r.fail(err)
	}

	return r.fetch(seqs)
}

// lookFurther is how many rows in a row may be too young before the search for
// old ones ends: those that were recorded while the clock was ahead. To pass over
// them takes some milliseconds.
const lookFurther = 10_000

// oldDone returns the places of jobs that were done before a time. The oldest
// rows are nearly all done, and nothing ends before it began: the search stops
// where rows are too young.
func (r *Reader) oldDone(before time.Time, n int) ([]int64, error) {
	rows, err := r.db.Query("SELECT seq, coalesce(created_at, ?1), coalesce(finished_at, ?2) FROM job"+
		" WHERE state = 'done' AND open = 0 ORDER BY seq", math.MinInt64, math.MaxInt64)
	if err != nil {
		return nil, withKind(err)
	}
	defer rows.Close()

	var (
		seqs []int64
		at   = before.UnixNano()
	)

	for young := 0; len(seqs) < n && young < lookFurther && rows.Next(); {
		var seq, created, finished int64
		if err := rows.Scan(&seq, &created, &finished); err != nil {
			return nil, withKind(err)
		}

		young++

		if created < at {
			young = 0
		}

		if finished < at {
			seqs = append(seqs, seq)
		}
	}

	return seqs, withKind(rows.Err())
}
