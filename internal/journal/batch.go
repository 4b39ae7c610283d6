package journal

import "importerd/internal/job"

// batch gathers new rows for statements of many.
type batch struct {
	w    *writer
	s    *stage
	recs [maxRows]*job.Record
	seqs [maxRows]int64
	n    int
}

func (b *batch) addAll(recs []job.Record) error {
	for i := range recs {
		if err := b.add(&recs[i]); err != nil {
			return err
		}
	}

	return nil
}

// add stages a record, and writes it if it is known or if enough new ones have gathered.
func (b *batch) add(rec *job.Record) error {
	old, err := b.w.find(b.s, rec.ID)
	if err != nil {
		return err
	}

	seq := old.seq
	if seq == 0 {
		seq = b.s.next
		b.s.next++
	}

	wish := old.wish
	if rec.State.Ended() || rec.State == job.Paused {
		wish = job.NoWish
	}

	now := b.s.known.slotOf(seq, rec, wish)
	now.cursor = max(old.cursor, rec.Cursor)
	b.s.set(rec.ID, old, now, rec.DueAt)
	b.s.cursor = max(b.s.cursor, rec.Cursor)

	if old.seq == 0 {
		return b.insert(seq, rec)
	}

	if b.n > 0 && seq >= b.seqs[0] { // it may be among those
		if err := b.flush(); err != nil {
			return err
		}
	}

	return b.w.update(update{
		open: old.open != now.open, cursor: now.cursor > old.cursor, wish: old.wish != wish,
	}, seq, rec)
}

// insert adds a new row to those that are to be written together.
func (b *batch) insert(seq int64, rec *job.Record) error {
	b.recs[b.n], b.seqs[b.n] = rec, seq
	b.n++

	if b.n == maxRows {
		return b.flush()
	}

	return nil
}

// flush writes what has gathered, with as few statements as possible.
func (b *batch) flush() error {
	done := 0

	for size := maxRows; done < b.n; size /= 2 {
		for b.n-done >= size {
			values := b.w.values[:0]
			for i := done; i < done+size; i++ {
				values = bind(values, b.seqs[i], b.recs[i])
			}

			b.w.values = values
			if err := b.w.insert(size); err != nil {
				return err
			}

			done += size
		}
	}

	b.n = 0

	return nil
}
