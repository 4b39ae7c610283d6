package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"importerd/internal/job"
)

// maxTail is how much of a handler's output is kept, in bytes.
const maxTail = 4 << 10

// Entry is a job with its place in the journal.
type Entry struct {
	Seq int64 // the journal's counter: later jobs have higher ones
	job.Record
}

// isOpen says whether there is something left to do for a job.
func isOpen(rec *job.Record) bool { return !rec.State.Ended() || rec.Moving != nil }

// waits says whether a job waits in deferred/ for its time, or for a free slot.
func waits(rec *job.Record) bool { return rec.State == job.Deferred && rec.Moving == nil }

// fill gives a statement the values of one row, in the order of columns without seq and
// id, as far as it takes them.
func fill(s *stmt, u update, rec *job.Record) {
	s.text(rec.Spool)
	s.blob(rec.Name)
	someBlob(s, rec.File)

	if u.state {
		s.text(string(rec.State))
	}

	if u.open {
		s.flag(isOpen(rec))
	}

	s.int(int64(rec.Attempt))
	s.int(int64(rec.Interruptions))
	s.int(int64(rec.Crashes))
	s.int(int64(rec.Busy))
	s.int(rec.Size)
	someMoment(s, rec.CreatedAt)
	someMoment(s, rec.StartedAt)
	someMoment(s, rec.FinishedAt)

	if u.due {
		someMoment(s, rec.DueAt)
		s.flag(waits(rec))
	}

	fillExit(s, rec.Exit)
	someText(s, rec.Error)
	someBlob(s, rec.Results)
	someText(s, rec.Checkpoint)
	s.flag(rec.Changed)
	fillMove(s, rec.Moving)
	fillSeen(s, rec)
	someText(s, string(rec.Origin))
	fillUse(s, rec.Exit)

	if u.cursor { // if it is lower it does not count
		someInt(s, rec.Cursor)
	}
}

func fillExit(s *stmt, exit *job.Exit) {
	if exit == nil {
		for range 6 {
			s.null()
		}

		return
	}

	s.int(int64(exit.Code))
	someText(s, exit.Signal)

	if exit.Err == nil {
		s.null()
	} else {
		s.text(exit.Err.Error())
	}

	s.int(int64(exit.RetryAfter))
	s.int(int64(exit.Took))
	someBlob(s, string(exit.Tail[max(0, len(exit.Tail)-maxTail):]))
}

func fillUse(s *stmt, exit *job.Exit) {
	if exit == nil {
		exit = &job.Exit{}
	}

	someInt(s, exit.MaxMemory)
	someInt(s, int64(exit.CPU))
}

func fillMove(s *stmt, move *job.Move) {
	if move == nil {
		for range 4 {
			s.null()
		}

		return
	}

	s.text(string(move.From))
	s.blob(move.File)
	s.text(string(move.To))
	s.blob(move.Name)
}

func fillSeen(s *stmt, rec *job.Record) {
	if rec.Seen == (job.File{}) {
		s.null()
		s.null()

		return
	}

	if rec.Seen.Name == rec.File {
		s.null()
	} else {
		s.blob(rec.Seen.Name)
	}

	var room [128]byte

	s.bytes(appendSeen(room[:0], &rec.Seen))
}

// someText is NULL for none.
func someText(s *stmt, value string) {
	if value == "" {
		s.null()
	} else {
		s.text(value)
	}
}

// someBlob is NULL for none.
func someBlob(s *stmt, value string) {
	if value == "" {
		s.null()
	} else {
		s.blob(value)
	}
}

// someInt is NULL for none.
func someInt(s *stmt, n int64) {
	if n == 0 {
		s.null()
	} else {
		s.int(n)
	}
}

// someMoment is NULL for the zero time.
func someMoment(s *stmt, t time.Time) {
	if t.IsZero() {
		s.null()
	} else {
		s.int(moment(t))
	}
}

// moment returns a time as it is recorded. What nanoseconds cannot say (before 1677,
// after 2262) is cut to what they can.
func moment(t time.Time) int64 {
	const most = math.MaxInt64/int64(time.Second) - 1

	switch s := t.Unix(); {
	case s < -most:
		return math.MinInt64
	case s > most:
		return math.MaxInt64
	}

	return t.UnixNano()
}

// row takes up one row of table job.
type row struct {
	seq                                   int64
	id, state, spool                      string
	name, file, tail, results             []byte
	open, changed                         bool
	attempt, interruptions, crashes, busy int
	size                                  int64
	created, started, finished, due       sql.NullInt64
	code, retryAfter, took                sql.NullInt64
	maxMemory, cpu                        sql.NullInt64
	signal, failure, why, checkpoint      sql.NullString
	moveFrom, moveTo, seen, origin, wish  sql.NullString
	cursor                                sql.NullInt64
	moveFile, moveName                    []byte
	seenName                              any // an empty name is not NULL
}

// scan reads the row at which rows stands.
func scan(rows interface{ Scan(dest ...any) error }) (Entry, error) {
	var r row

	err := rows.Scan(&r.seq, &r.id, &r.spool, &r.name, &r.file, &r.state, &r.open,
		&r.attempt, &r.interruptions, &r.crashes, &r.busy, &r.size,
		&r.created, &r.started, &r.finished, &r.due,
		&r.code, &r.signal, &r.failure, &r.retryAfter, &r.took, &r.tail,
		&r.why, &r.results, &r.checkpoint, &r.changed,
		&r.moveFrom, &r.moveFile, &r.moveTo, &r.moveName, &r.seenName, &r.seen,
		&r.origin, &r.maxMemory, &r.cpu, &r.cursor, &r.wish)
	if err != nil {
		return Entry{}, withKind(err)
	}

	return r.entry()
}

// entry makes a record of the row. What no version of ours has written is
// damage.
func (r *row) entry() (Entry, error) {
	id, err := job.ParseID(r.id)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: row %d: %w", errDamaged, r.seq, err)
	}

	if !isState(job.State(r.state)) {
		return Entry{}, fmt.Errorf("%w: row %d has state %q", errDamaged, r.seq, r.state)
	}

	e := Entry{Seq: r.seq, Record: job.Record{
		ID: id, Spool: r.spool, Name: string(r.name), File: string(r.file), State: job.State(r.state),
		Attempt: r.attempt, Interruptions: r.interruptions, Crashes: r.crashes, Busy: r.busy, Size: r.size,
		CreatedAt: wall(r.created), StartedAt: wall(r.started), FinishedAt: wall(r.finished), DueAt: wall(r.due),
		Error: r.why.String, Results: string(r.results), Checkpoint: r.checkpoint.String, Changed: r.changed,
		Origin: job.Origin(r.origin.String), Cursor: r.cursor.Int64, Wish: job.Wish(r.wish.String),
	}}

	if r.code.Valid {
		e.Exit = r.exit()
	}

	if r.moveTo.Valid {
		e.Moving = &job.Move{
			From: job.Folder(r.moveFrom.String), File: string(r.moveFile),
			To: job.Folder(r.moveTo.String), Name: string(r.moveName), ID: id,
		}
	}

	if r.seen.Valid {
		if e.Seen, err = parseSeen(r.seen.String); err != nil {
			return Entry{}, fmt.Errorf("%w: row %d: %w", errDamaged, r.seq, err)
		}

		e.Seen.Name = e.File
		if name, ok := r.seenName.([]byte); ok {
			e.Seen.Name = string(name)
		}
	}

	return e, nil
}

func (r *row) exit() *job.Exit {
	exit := &job.Exit{
		Code: int(r.code.Int64), Signal: r.signal.String, RetryAfter: time.Duration(r.retryAfter.Int64),
		Took: time.Duration(r.took.Int64), Tail: r.tail,
		MaxMemory: r.maxMemory.Int64, CPU: time.Duration(r.cpu.Int64),
	}

	if r.failure.Valid {
		exit.Err = errors.New(r.failure.String)
	}

	return exit
}

func wall(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}

	return time.Unix(0, n.Int64)
}
