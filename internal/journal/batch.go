package journal

import "importerd/internal/job"

// batch gathers rows for statements of many.
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

// add stages a record and writes when enough have gathered.
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

	b.s.set(rec.ID, old, b.s.known.slotOf(seq, rec, wish), rec.DueAt)
	b.s.cursor = max(b.s.cursor, rec.Cursor)
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
			if err := b.w.upserts[size].exec(values); err != nil {
				return err
			}

			done += size
		}
	}

	b.n = 0

	return nil
}
