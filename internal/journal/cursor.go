package journal

import "math"

// NextCursor returns a number for the end of a job. They ascend, and none is
// ever given again once a record with it, or one that came after it, is
// recorded: put it in a record that is committed before anybody hears of it.
func (j *Journal) NextCursor() int64 { return j.known.cursor.Add(1) }

// LastCursor returns the highest number that was given or recorded so far.
func (j *Journal) LastCursor() int64 { return j.known.cursor.Load() }

// raise sees to it that no number up to n is given any more.
func (k *known) raise(n int64) {
	for have := k.cursor.Load(); have < n; have = k.cursor.Load() {
		if k.cursor.CompareAndSwap(have, n) {
			return
		}
	}
}

// Told returns up to n jobs in a state that is an end and with a Cursor above
// after, in the order of Cursor; n of 0 or less: all. The end of one whose
// Moving is set is certain, but its file may still be on its way.
func (r *Reader) Told(after int64, n int) ([]Entry, error) {
	if n <= 0 {
		n = math.MaxInt
	}

	return r.entries("WHERE cursor > ? AND state IN ('done', 'failed', 'terminated') ORDER BY cursor LIMIT ?", after, n)
}
