package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"importerd/internal/job"
)

const (
	// maxReaders is how many read at the same time.
	maxReaders = 4

	// readAhead is how many rows a list that is not held whole reads at a time:
	// a long look at one state of the database keeps the -wal from being reused.
	readAhead = 256
)

// Reader reads a journal, also while a daemon writes to it. Its methods may be
// called from several goroutines.
type Reader struct {
	db      *sql.DB
	version int64             // of the schema
	trouble func() error      // why nothing is read any more
	fail    func(error) error // what to make of an error
}

// OpenReadOnly opens a journal to read it, whether a daemon has it open or
// not. Where the file system is read-only it is read as it lies, unless
// something is still in its -wal. Errors: fs.ErrNotExist, *NewerError,
// job.ErrDisk, others.
func OpenReadOnly(path string) (*Reader, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, diskKind(fmt.Errorf("open journal: %w", err))
	}

	r, err := openReader(path)
	if err == nil || !errors.Is(err, job.ErrDisk) || logSize(path) > 0 {
		return r, err
	}

	// SQLite wants to write beside it even to read. Nobody has it open, or there
	// would be something in the -wal.
	return openReader(path, "immutable=1")
}

// logSize returns the size of the -wal.
func logSize(path string) int64 {
	info, err := os.Stat(path + "-wal")
	if err != nil {
		return 0
	}

	return info.Size()
}

func openReader(path string, options ...string) (*Reader, error) {
	db, err := readers(path, options...)
	if err != nil {
		return nil, err
	}

	name := job.Show(path)
	r := &Reader{db: db, trouble: func() error { return nil }, fail: func(err error) error {
		if err == nil {
			return nil
		}

		return fmt.Errorf("read journal %s: %w", name, err)
	}}

	err = r.fail(withKind(db.QueryRow("PRAGMA user_version").Scan(&r.version)))
	if err == nil && r.version > version {
		err = &NewerError{Path: path, Version: r.version}
	}

	if err == nil {
		_, err = db.Exec("SELECT 1 FROM job LIMIT 0") // a row that nobody scans would keep its connection
		err = r.fail(withKind(err))
	}

	if err != nil {
		closeQuietly(db)

		return nil, err
	}

	return r, nil
}

// Close ends reading.
func (r *Reader) Close() error {
	if err := r.db.Close(); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}

	return nil
}

// Get returns one job; fs.ErrNotExist: the journal has none of that id.
func (r *Reader) Get(id job.ID) (Entry, error) {
	if err := r.trouble(); err != nil {
		return Entry{}, err
	}

	e, err := scan(r.db.QueryRow(selectSQL(r.version, "WHERE id = ?"), id.String()))
	if errors.Is(err, sql.ErrNoRows) {
		return Entry{}, fmt.Errorf("job %s: %w", id, fs.ErrNotExist)
	}

	return e, r.fail(err)
}

// Unfinished returns all open jobs, in the order in which they were first
// recorded: those that have not ended, and those whose last move is not
// confirmed. Jobs may change meanwhile; new ones may come at the end. After an
// error nothing follows.
func (r *Reader) Unfinished() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		after := int64(0)

		for {
			page, err := r.entries("WHERE open = 1 AND seq > ? ORDER BY seq LIMIT ?", after, readAhead)
			if err != nil {
				yield(Entry{}, err)

				return
			}

			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}

			if len(page) < readAhead {
				return
			}

			after = page[len(page)-1].Seq
		}
	}
}

// entries runs a query for whole rows; rest follows "FROM job".
func (r *Reader) entries(rest string, args ...any) ([]Entry, error) {
	if err := r.trouble(); err != nil {
		return nil, err
	}

	rows, err := r.db.Query(selectSQL(r.version, rest), args...)
	if err != nil {
		return nil, r.fail(withKind(err))
	}
	defer rows.Close()

	var list []Entry

	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, r.fail(err)
		}

		list = append(list, e)
	}

	return list, r.fail(withKind(rows.Err()))
}

// Tally says how many jobs there are of each state, as it is shown.
func (r *Reader) Tally() (map[job.State]int, error) {
	if err := r.trouble(); err != nil {
		return nil, err
	}

	tally, err := readTally(r.db)

	return tally, r.fail(err)
}

// readTally counts the jobs that have not ended, and reads how many have.
func readTally(db *sql.DB) (map[job.State]int, error) {
	rows, err := db.Query("SELECT state, jobs FROM tally UNION ALL " +
		"SELECT " + shownState + ", count(*) FROM job WHERE open = 1 AND state NOT IN ('done', 'failed', 'terminated')" +
		" GROUP BY 1")
	if err != nil {
		return nil, withKind(err)
	}
	defer rows.Close()

	tally := map[job.State]int{}

	for rows.Next() {
		var (
			state string
			n     int
		)

		if err := rows.Scan(&state, &n); err != nil {
			return nil, withKind(err)
		}

		tally[job.State(state)] = n
	}

	return tally, withKind(rows.Err())
}
