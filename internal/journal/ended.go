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

// oldDone returns the places of jobs that were done before a time. The oldest
// rows are nearly all done, and nothing ends before it began: the search stops
// at the first row that is too young.
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

	for len(seqs) < n && rows.Next() {
		var seq, created, finished int64
		if err := rows.Scan(&seq, &created, &finished); err != nil {
			return nil, withKind(err)
		}

		if created >= at {
			break
		}

		if finished < at {
			seqs = append(seqs, seq)
		}
	}

	return seqs, withKind(rows.Err())
}
