package journal

import (
	"time"

	"importerd/internal/job"
)

// Due returns up to n deferred jobs that are due at now, the longest due
// first, and when the first of those that it does not return is due; zero:
// there is none. A job whose file is still on its way to deferred/ is not
// among them. Where nothing is due it costs no look at the database.
func (j *Journal) Due(now time.Time, n int) ([]job.Record, time.Time, error) {
	if err := j.trouble(); err != nil {
		return nil, time.Time{}, err
	}

	queue := j.known.due()

	switch {
	case queue.empty:
		return nil, time.Time{}, nil
	case queue.known && (queue.at.After(now) || n == 0):
		return nil, nextDue(queue.at, now), nil
	}

	return j.readDue(now, n, queue.generation)
}

// nextDue returns when a job is due: one that is due at once is due now.
func nextDue(at, now time.Time) time.Time {
	if at.IsZero() {
		return now
	}

	return at
}

// dueQueue is what is known of the jobs that wait without the database.
type dueQueue struct {
	at         time.Time // when the first is due; zero: at once
	known      bool      // at is valid
	empty      bool      // none waits
	generation uint64
}

func (k *known) due() dueQueue {
	k.mu.RLock()
	defer k.mu.RUnlock()

	return dueQueue{at: k.dueAt, known: k.dueKnown, empty: k.waits == 0, generation: k.dueGen}
}

// setDue remembers when the first job is due if nothing has changed since.
func (k *known) setDue(at time.Time, generation uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()

	if k.dueGen == generation {
		k.dueAt, k.dueKnown = at, true
	}
}

// dueSQL selects what waits, the longest due first; those due at once come
// first of all.
const dueSQL = "WHERE waits = 1 ORDER BY due_at, seq LIMIT ?"

// readDue is Due by the database.
func (j *Journal) readDue(now time.Time, n int, generation uint64) ([]job.Record, time.Time, error) {
	rows, err := j.dueRows.Query(n + 1)
	if err != nil {
		return nil, time.Time{}, j.fail(withKind(err))
	}
	defer rows.Close()

	var (
		due  []job.Record
		next time.Time
	)

	for first := true; rows.Next(); first = false {
		e, err := scan(rows)
		if err != nil {
			return nil, time.Time{}, j.fail(err)
		}

		if first {
			j.known.setDue(e.DueAt, generation)
		}

		if e.DueAt.After(now) || len(due) == n {
			next = nextDue(e.DueAt, now)

			break
		}

		due = append(due, e.Record)
	}

	if err := rows.Err(); err != nil {
		return nil, time.Time{}, j.fail(withKind(err))
	}

	return due, next, nil
}
