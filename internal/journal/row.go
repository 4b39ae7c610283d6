package journal

import (
	"database/sql"
	"database/sql/driver"
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

// bind appends the values of one row, in the order of columns.
func bind(values []driver.NamedValue, seq int64, rec *job.Record) []driver.NamedValue {
	add := func(v driver.Value) {
		values = append(values, driver.NamedValue{Ordinal: len(values) + 1, Value: v})
	}

	add(seq)
	add(rec.ID.String())
	add(rec.Spool)
	add([]byte(rec.Name))
	add(blob(rec.File))
	add(string(rec.State))
	add(flag(isOpen(rec)))
	add(int64(rec.Attempt))
	add(int64(rec.Interruptions))
	add(int64(rec.Crashes))
	add(int64(rec.Busy))
	add(rec.Size)
	add(moment(rec.CreatedAt))
	add(moment(rec.StartedAt))
	add(moment(rec.FinishedAt))
	add(moment(rec.DueAt))
	bindExit(add, rec.Exit)
	add(text(rec.Error))
	add(blob(rec.Results))
	add(text(rec.Checkpoint))
	add(flag(rec.Changed))
	bindMove(add, rec.Moving)
	bindSeen(add, rec)
	add(text(string(rec.Origin)))
	bindUse(add, rec.Exit)
	add(number(rec.Cursor))

	return values
}

func bindExit(add func(driver.Value), exit *job.Exit) {
	if exit == nil {
		for range 6 {
			add(nil)
		}

		return
	}

	var failure driver.Value
	if exit.Err != nil {
		failure = exit.Err.Error()
	}

	add(int64(exit.Code))
	add(text(exit.Signal))
	add(failure)
	add(int64(exit.RetryAfter))
	add(int64(exit.Took))
	add(blob(string(exit.Tail[max(0, len(exit.Tail)-maxTail):])))
}

func bindUse(add func(driver.Value), exit *job.Exit) {
	if exit == nil {
		exit = &job.Exit{}
	}

	add(number(exit.MaxMemory))
	add(number(int64(exit.CPU)))
}

func bindMove(add func(driver.Value), move *job.Move) {
	if move == nil {
		for range 4 {
			add(nil)
		}

		return
	}

	add(string(move.From))
	add([]byte(move.File))
	add(string(move.To))
	add([]byte(move.Name))
}

func bindSeen(add func(driver.Value), rec *job.Record) {
	if rec.Seen == (job.File{}) {
		add(nil)
		add(nil)

		return
	}

	if rec.Seen.Name == rec.File {
		add(nil)
	} else {
		add([]byte(rec.Seen.Name))
	}

	add(seenText(&rec.Seen))
}

// text is NULL for none.
func text(s string) driver.Value {
	if s == "" {
		return nil
	}

	return s
}

// blob is NULL for none.
func blob(s string) driver.Value {
	if s == "" {
		return nil
	}

	return []byte(s)
}

// number is NULL for none.
func number(n int64) driver.Value {
	if n == 0 {
		return nil
	}

	return n
}

func flag(b bool) driver.Value {
	if b {
		return int64(1)
	}

	return int64(0)
}

// moment is NULL for the zero time. What nanoseconds cannot say (before 1678,
// after 2261) is cut to what they can.
func moment(t time.Time) driver.Value {
	switch {
	case t.IsZero():
		return nil
	case t.Year() < 1678:
		return int64(math.MinInt64)
	case t.Year() > 2261:
		return int64(math.MaxInt64)
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
