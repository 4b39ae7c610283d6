package journal

import (
	"database/sql/driver"

	"importerd/internal/job"
)

const (
	// maxRows is how many rows one statement writes: more bring nothing.
	maxRows = 32

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
	inserts                 map[int]*stmt    // by the number of rows; large, so made as they are needed
	updates                 map[update]*stmt // as they were needed
	lookup, remove          *stmt
	count, meta, wish       *stmt
	values                  []driver.NamedValue // reused
	pages                   int                 // in the -wal since it was moved last, estimated from above
	transactions            int                 // so far, for tests
}

func newWriter(c *conn) (*writer, error) {
	w := &writer{conn: c, inserts: map[int]*stmt{}, updates: map[update]*stmt{}}
	statements := map[**stmt]string{
		&w.begin: "BEGIN IMMEDIATE", &w.commit: "COMMIT", &w.rollback: "ROLLBACK",
		&w.lookup: "SELECT seq, state FROM job WHERE id = ?",
		&w.remove: "DELETE FROM job WHERE id = ?",
		&w.count:  "INSERT INTO tally VALUES (?1, ?2) ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
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
	if err := w.begin.exec(nil); err != nil {
		return err
	}

	w.transactions++

	err := w.fill(group, s)
	if err == nil {
		err = w.commit.exec(nil)
	}

	if err != nil {
		_ = w.rollback.exec(nil) // SQLite may have done it itself
	}

	return err
}

// fill puts all that the group wants into the transaction.
func (w *writer) fill(group []*request, s *stage) error {
	b := batch{w: w, s: s}

	for _, r := range group {
		if err := b.addAll(r.recs); err != nil {
			return err
		}

		if r.do == nil {
			continue
		}

		if err := b.flush(); err != nil {
			return err
		}

		if err := r.do(w, s); err != nil {
			return err
		}
	}

	if err := b.flush(); err != nil {
		return err
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

		if err := w.count.exec(arguments(string(state), int64(n))); err != nil {
			return err
		}
	}

	return nil
}

// insert writes n new rows, whose values are in w.values.
func (w *writer) insert(n int) error {
	s := w.inserts[n]

	if s == nil {
		var err error
		if s, err = w.conn.prepare(insertSQL(n)); err != nil {
			return err
		}

		w.inserts[n] = s
	}

	return s.exec(w.values)
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

	w.values = bind(w.values[:0], seq, rec)

	return s.exec(w.values)
}

// find returns a job's slot; one without a state: there is no such job.
func (w *writer) find(s *stage, id job.ID) (slot, error) {
	found, sure := s.find(id)
	if sure {
		return found, nil
	}

	dest := make([]driver.Value, 2)

	ok, err := w.lookup.row(arguments(id.String()), dest)
	if err != nil || !ok {
		return slot{}, err
	}

	seq, _ := dest[0].(int64)
	state, _ := dest[1].(string)

	return slot{seq: seq, state: job.State(state)}, nil
}

// setMeta writes one line of table meta.
func (w *writer) setMeta(key, value string) error {
	return w.meta.exec(arguments(key, value))
}

// full says whether enough has gathered in the -wal to be moved.
func (w *writer) full() bool { return w.pages >= foldAfter }

// checkpoint moves the -wal into the database; SQLite flushes the one before
// and the other after. It does not wait for readers: what they need stays.
func (w *writer) checkpoint(mode string) error {
	w.pages = 0 // also after an error: not again at once

	_, err := w.conn.row("PRAGMA wal_checkpoint("+mode+")", make([]driver.Value, 3))

	return err
}

func (w *writer) close() error { return w.conn.close() }
