package journal

import (
	sqlite3 "modernc.org/sqlite/lib"

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
	pin                     *stmt // stands on a row between transactions; see start
	pinned                  bool
	insert                  *stmt
	updates                 map[update]*stmt // as they were needed
	lookup, remove          *stmt
	count, meta, wish       *stmt
	short                   bool // the disk was full: the -wal is moved to be used anew
	transactions            int  // so far, for tests
}

func newWriter(c *conn) (*writer, error) {
	w := &writer{conn: c, updates: map[update]*stmt{}}
	statements := map[**stmt]string{
		&w.begin: "BEGIN IMMEDIATE", &w.commit: "COMMIT", &w.rollback: "ROLLBACK",
		&w.pin:    "SELECT key FROM meta",
		&w.insert: insertSQL(),
		&w.lookup: "SELECT seq, state, cursor FROM job WHERE id = ?",
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
	if err := w.start(); err != nil {
		return err
	}

	w.transactions++

	err := w.fill(group, s)
	if err == nil {
		err = w.commit.run()
	}

	if err != nil {
		_ = w.rollback.run() // SQLite may have done it itself
		w.unpin()

		code, _ := codeOf(err)
		w.short = code&0xff == sqlite3.SQLITE_FULL
	}

	return err
}

// start begins a transaction. Between transactions a query is left open: as nobody else
// writes, what it sees is always the last state, and a transaction need not look for that
// and take and give back a lock on it. That is a fourth of what a small one costs.
func (w *writer) start() error {
	if !w.pinned {
		if err := w.pin.hold(); err != nil {
			return err
		}

		w.pinned = true
	}

	err := w.begin.run()
	if err != nil { // somebody else has written, against our advice, or is about to
		w.unpin()

		err = w.begin.run()
	}

	return err
}

// unpin lets go of the state that start holds, so that the -wal can be emptied.
func (w *writer) unpin() {
	w.pin.reset()
	w.pinned = false
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
	old, at, err := w.find(s, rec.ID)
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

	now := s.known.factsOf(seq, rec, wish)
	now.cursor = max(old.cursor, rec.Cursor)
	s.set(rec.ID, at, &old, &now)
	s.cursor = max(s.cursor, rec.Cursor)

	if old.seq == 0 {
		return w.add(seq, rec)
	}

	return w.update(changed(&old, &now), seq, rec)
}

// add writes a new row.
func (w *writer) add(seq int64, rec *job.Record) error {
	w.insert.int(seq)
	w.insert.id(rec.ID)
	fill(w.insert, update{state: true, open: true, due: true, cursor: true}, rec)

	return w.insert.run()
}

// update says what a row gets besides what each one gets: columns that indexes look at.
type update struct {
	state  bool
	open   bool
	due    bool // due_at and waits
	cursor bool
	wish   bool // none any more
}

// changed returns what is another one now, or is not known of old.
func changed(old, now *facts) update {
	return update{
		state: old.state != now.state, open: old.open != now.open,
		due:    !old.open || old.waits != now.waits || !old.due.Equal(now.due),
		cursor: now.cursor > old.cursor,
		wish:   old.wish != now.wish,
	}
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

// find returns what is known of a job, and its slot, if it has one; facts without a
// state: there is no such job.
func (w *writer) find(s *stage, id job.ID) (facts, *slot, error) {
	found, at, sure := s.find(id)
	if at != nil || sure {
		return found, at, nil
	}

	w.lookup.id(id)

	err := w.lookup.row(func(row *stmt) {
		found = facts{seq: row.number(0), state: job.State(row.word(1)), cursor: row.number(2)}
	})

	return found, nil, err
}

// setMeta writes one line of table meta.
func (w *writer) setMeta(key, value string) error {
	w.meta.text(key)
	w.meta.text(value)

	return w.meta.run()
}

// full says whether the -wal is to be moved: enough has gathered in it, or it cannot grow.
// What is moved is room for what comes next, mostly in exchange for none: the rows are
// there already.
func (w *writer) full() bool { return w.short || w.conn.written(false) >= foldAfter }

// checkpoint moves the -wal into the database; SQLite flushes the one before
// and the other after. It does not wait for readers: what they need stays.
func (w *writer) checkpoint(mode string) error {
	w.conn.written(true) // also after an error: not again at once
	w.short = false

	w.unpin()

	return w.conn.first("PRAGMA wal_checkpoint("+mode+")", nil)
}

func (w *writer) close() error { return w.conn.close() }
