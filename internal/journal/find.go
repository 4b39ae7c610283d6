package journal

import (
	"fmt"
	"iter"

	"importerd/internal/job"
)

// listAhead is how many jobs All reads at a time.
const listAhead = 1000

// Find returns up to n ids that begin or end with part: lower-case hexadecimal
// digits with the hyphens where they are in an id. Those that begin with it
// cost little; for those that end with it all ids are read, about a million a second.
func (r *Reader) Find(part string, n int) ([]job.ID, error) {
	if err := r.trouble(); err != nil {
		return nil, err
	}

	// "g" comes after all that stands in an id.
	rows, err := r.db.Query("SELECT id FROM job WHERE id >= ?1 AND id < ?1 || 'g'"+
		" UNION SELECT id FROM job WHERE substr(id, -length(?1)) = ?1 LIMIT ?2", part, n)
	if err != nil {
		return nil, r.fail(withKind(err))
	}
	defer rows.Close()

	var found []job.ID

	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, r.fail(withKind(err))
		}

		id, err := job.ParseID(text)
		if err != nil {
			return nil, r.fail(fmt.Errorf("%w: %w", errDamaged, err))
		}

		found = append(found, id)
	}

	return found, r.fail(withKind(rows.Err()))
}

// All yields the jobs that q chooses as List does, without holding them all: a
// part at a time. After an error nothing follows.
func (r *Reader) All(q Query) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for left := q.limit(); left > 0; {
			q.Limit = min(left, listAhead)

			page, err := r.List(q)
			if err != nil {
				yield(Entry{}, err)

				return
			}

			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}

			if len(page) < q.Limit {
				return
			}

			left -= len(page)
			q.Before = page[len(page)-1].Seq
		}
	}
}
