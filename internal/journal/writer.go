package journal

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"time"

	"importerd/internal/job"
)

const (
	// maxRows is how many rows one statement writes: more bring nothing.
	maxRows = 32

	// foldAfter is how many pages may gather in the -wal before they are moved
	// into the database: 4 MiB.
	foldAfter = 1000

	// maxLog is the size to which the -wal is cut after it has grown beyond.
	maxLog = 16 << 20
)

// writer is the one connection that writes. One caller at a time uses it.
type writer struct {
	conn                    *conn
	begin, commit, rollback *stmt
	upserts                 map[int]*stmt // by the number of rows
	lookup, remove, count   *stmt
	values                  []driver.NamedValue // reused
	durable                 bool                // how the connection is set
	pages                   int                 // in the -wal since it was moved last, estimated from above
	transactions            int                 // so far, for tests
}

func newWriter(c *conn) (*writer, error) {
	w := &writer{conn: c, upserts: map[int]*stmt{}, durable: true}
	statements := map[**stmt]string{
		&w.begin: "BEGIN IMMEDIATE", &w.commit: "COMMIT", &w.rollback: "ROLLBACK",
		&w.lookup: "SELECT seq, state FROM job WHERE id = ?",
		&w.remove: "DELETE FROM job WHERE id = ?",
		&w.count:  "INSERT INTO tally VALUES (?1, ?2) ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
	}

	for target, query := range statements {
		var err error
		if *target, err = c.prepare(query); err != nil {
			return nil, err
		}
	}

	for n := 1; n <= maxRows; n *= 2 {
		var err error
		if w.upserts[n], err = c.prepare(upsertSQL(n)); err != nil {
			return nil, err
		}
	}

	return w, nil
}

// transact writes a group, all or nothing.
func (w *writer) transact(group []*request, s *stage) error {
	durable := false
	for _, r := range group {
		durable = durable || r.durable
	}

	if err := w.flushing(durable); err != nil {
		return err
	}

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

// flushing sets whether transactions are flushed when they end.
func (w *writer) flushing(durable bool) error {
	if w.durable == durable {
		return nil
	}

	level := "NORMAL"
	if durable {
		level = "FULL"
	}

	if err := w.conn.exec("PRAGMA synchronous = " + level); err != nil {
		return err
	}

	w.durable = durable

	return nil
}

// fill puts all that the group wants into the transaction.
func (w *writer) fill(group []*request, s *stage) error {
	b := batch{w: w, s: s}

	for _, r := range group {
		for i := range r.recs {
			if err := b.add(&r.recs[i]); err != nil {
				return err
			}
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

	for state, n := range s.ends() {
		if n == 0 {
			continue
		}

		if err := w.count.exec(arguments(string(state), int64(n))); err != nil {
			return err
		}
	}

	w.pages += 6 + len(s.changes)/2

	return nil
}

// batch gathers rows for statements of many.
type batch struct {
	w    *writer
	s    *stage
	recs [maxRows]*job.Record
	seqs [maxRows]int64
	n    int
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

	b.s.set(rec.ID, old, b.s.known.slotOf(seq, rec), rec.DueAt)
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
	s, err := w.conn.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)")
	if err != nil {
		return err
	}

	defer s.raw.Close() //nolint:errcheck // nothing is left to say

	return s.exec(arguments(key, value))
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

// Drop forgets a job that never came to be: its claim failed. A job that is
// not known is no error.
func (j *Journal) Drop(id job.ID) error { return j.remove([]job.ID{id}) }

// Remove forgets jobs for good; those that are not known are no error. It need
// not survive a power cut.
func (j *Journal) Remove(ids ...job.ID) error { return j.remove(ids) }

func (j *Journal) remove(ids []job.ID) error {
	return j.submit(&request{do: func(w *writer, s *stage) error {
		for _, id := range ids {
			old, err := w.find(s, id)
			if err != nil {
				return err
			}

			if old.state == "" {
				continue
			}

			if err := w.remove.exec(arguments(id.String())); err != nil {
				return err
			}

			s.set(id, old, slot{}, time.Time{})
		}

		return w.setMeta("next_seq", strconv.FormatInt(s.next, 10))
	}})
}

// CutDue brings the times of deferred jobs that are later than limit down to
// it: the clock was set back.
func (j *Journal) CutDue(limit time.Time) error {
	return j.submit(&request{durable: true, do: func(w *writer, s *stage) error {
		s.cut = true
		at := moment(limit)

		return w.conn.exec(fmt.Sprintf(
			"UPDATE job SET due_at = %d WHERE open = 1 AND state = 'deferred' AND due_at > %d", at, at))
	}})
}
