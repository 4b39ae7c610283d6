package main

import (
	"iter"
	"slices"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// merge yields the jobs of lists that have the newest first, the newest first.
// After an error nothing follows.
func merge(lists []iter.Seq2[journal.Entry, error]) iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		var heads []*head

		for _, list := range lists {
			next, stop := iter.Pull2(list)
			defer stop()

			h := &head{next: next}
			if h.advance() {
				heads = append(heads, h)
			}
		}

		for len(heads) > 0 {
			first := slices.MaxFunc(heads, (*head).compare)
			if !yield(first.entry.Record, first.err) || first.err != nil {
				return
			}

			if !first.advance() {
				heads = slices.DeleteFunc(heads, func(h *head) bool { return h == first })
			}
		}
	}
}

// head is a list with the first of what is left of it.
type head struct {
	next  func() (journal.Entry, error, bool)
	entry journal.Entry
	err   error
}

// advance takes the next entry, false: there is none.
func (h *head) advance() bool {
	var ok bool

	h.entry, h.err, ok = h.next()

	return ok
}

// compare orders by age, the newest last; an error is newer than all.
func (h *head) compare(other *head) int {
	switch {
	case h.err != nil:
		return 1
	case other.err != nil:
		return -1
	}

	return h.entry.CreatedAt.Compare(other.entry.CreatedAt)
}
