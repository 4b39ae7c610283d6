package journal

import (
	"importerd/internal/job"
)

const (
	// foldAfter is how many pages may gather in the -wal before they are moved
	// into the database: 16 MiB. Meanwhile nobody can write.
	foldAfter = 4000

	// maxLog is the size to which the -wal is cut after it has grown beyond.
	maxLog = 32 << 20
)

// writer is the one connection that writes. One caller at a time uses it.
type writer struct {
	conn                    *conn
	begin, commit, rollback *stmt
	insert                  *stmt
	updates                 map[update]*stmt // as they were needed
	lookup, remove          *stmt
	count, meta, wish       *stmt
	pages                   int // in the -wal since it was moved last, estimated from above
	transactions            int // so far, for tests
}

func newWriter(c *conn) (*writer, error) {
	w := &writer{conn: c, updates: map[update]*stmt{}}
	statements := map[**stmt]string{
		&w.begin: "BEGIN IMMEDIATE", &w.commit: "COMMIT", &w.rollback: "ROLLBACK",
		&w.insert: insertSQL(),
		&w.lookup: "SELECT seq, state FROM job WHERE id = ?",
		&w.remove: "DELETE FROM job WHERE id = ?",
		&w.count:  "INSERT INTO tally VALUES (?, ?) ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
		&w.meta:   "INSERT OR REPLACE INTO meta VALUES (?, ?)",
		&w.wish:   "UPDATE job SET wish = ? WHERE seq = ?",
	}

	for target, query := range statements {
		var err error
		if *target, err = c.prepare(query); err != nil {
			return nil, err
		}
	}

	return w, nil
}

// transact writes a group, all or nothing. It is not flushed.
func (w *writer) transact(group []*request, s *stage) error {
	if err := w.begin.run(); err != nil {
		return err
	}

	w.transactions++

	err := w.fill(group, s)
	if err == nil {
		err = w.commit.run()
	}

	if err != nil {
		_ = w.rollback.run() // SQLite may have done it itself
	}

	return err
}

// fill puts all that the group wants into the transaction.
func (w *writer) fill(group []*request, s *stage) error {
	for _, r := range group {
		for i := range r.recs {
			if err := w.write(s, &r.recs[i]); err != nil {
				return err
			}
		}

		if r.do == nil {
			continue
		}

		if err := r.do(w, s); err != nil {
			return err
		}
	}

	w.pages += 6 + len(s.changes)/2

	return w.countEnds(s.ends())
}

// countEnds keeps table tally.
func (w *writer) countEnds(delta map[job.State]int) error {
	for state, n := range delta {
		if n == 0 {
			continue
		}

		w.count.text(string(state))
		w.count.int(int64(n))

		if err := w.count.run(); err != nil {
			return err
		}
	}

	return nil
}

// write stages a record, and writes its row.
func (w *writer) write(s *stage, rec *job.Record) error {
	old, err := w.find(s, rec.ID)
	if err != nil {
		return err
	}

	seq := old.seq
	if seq == 0 {
		seq = s.next
		s.next++
	}

	wish := old.wish
	if rec.State.Ended() || rec.State == job.Paused {
		wish = job.NoWish
	}

	now := s.known.slotOf(seq, rec, wish)
	now.cursor = max(old.cursor, rec.Cursor)
	s.set(rec.ID, old, now, rec.DueAt)
	s.cursor = max(s.cursor, rec.Cursor)

	if old.seq == 0 {
		w.insert.int(seq)
		w.insert.id(rec.ID)
		fill(w.insert, update{open: true, cursor: true}, rec)

		return w.insert.run()
	}

	return w.update(update{
		open: old.open != now.open, cursor: now.cursor > old.cursor, wish: old.wish != wish,
	}, seq, rec)
}

// update says what a row gets besides what each one gets.
type update struct {
	open   bool // column open, which is another one now
	cursor bool
	wish   bool // none any more
}

// update writes a row that is there.
func (w *writer) update(u update, seq int64, rec *job.Record) error {
	s := w.updates[u]

	if s == nil {
		var err error
		if s, err = w.conn.prepare(updateSQL(u)); err != nil {
			return err
		}

		w.updates[u] = s
	}

	fill(s, u, rec)
	s.int(seq)

	return s.run()
}

// find returns a job's slot; one without a state: there is no such job.
func (w *writer) find(s *stage, id job.ID) (slot, error) {
	found, sure := s.find(id)
	if sure {
		return found, nil
	}

	w.lookup.id(id)

	err := w.lookup.row(func(row *stmt) {
		found = slot{seq: row.number(0), state: job.State(row.word(1))}
	})

	return found, err
}

// setMeta writes one line of table meta.
func (w *writer) setMeta(key, value string) error {
	w.meta.text(key)
	w.meta.text(value)

	return w.meta.run()
}

// full says whether enough has gathered in the -wal to be moved.
func (w *writer) full() bool { return w.pages >= foldAfter }

// checkpoint moves the -wal into the database; SQLite flushes the one before
// and the other after. It does not wait for readers: what they need stays.
func (w *writer) checkpoint(mode string) error {
	w.pages = 0 // also after an error: not again at once

	return w.conn.first("PRAGMA wal_checkpoint("+mode+")", nil)
}

func (w *writer) close() error { return w.conn.close() }
