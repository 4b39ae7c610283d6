package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"importerd/internal/job"
)

// lockWait is how long to wait for somebody else, as the sqlite3 tool, to
// release the database.
const lockWait = 2 * time.Second

// dsn returns the name by which the driver opens the database at path.
func dsn(path string, options ...string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("open journal: %w", err)
	}

	options = append(options,
		fmt.Sprintf("_pragma=busy_timeout(%d)", lockWait.Milliseconds()),
		"_pragma=trusted_schema(0)", "_pragma=cell_size_check(1)", "_pragma=temp_store(2)")

	return (&url.URL{Scheme: "file", Path: abs, RawQuery: strings.Join(options, "&")}).String(), nil
}

// readers opens a pool of connections that only read.
func readers(path string, options ...string) (*sql.DB, error) {
	name, err := dsn(path, append(options, "mode=ro", "_query_only=1")...)
	if err != nil {
		return nil, err
	}

	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}

	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxReaders)
	db.SetMaxIdleConns(1) // each has memory of its own

	return db, nil
}

// errDamaged says that the database is not as SQLite has left it.
var errDamaged = errors.New("damaged")

// errNoTable says that the database lacks something that ours have.
var errNoTable = errors.New("not as a journal is")

// codeOf returns what SQLite has answered, through the driver or to a conn.
func codeOf(err error) (int, bool) {
	if theirs, ok := errors.AsType[*sqlite.Error](err); ok {
		return theirs.Code(), true
	}

	if ours, ok := errors.AsType[*answer](err); ok {
		return ours.code, true
	}

	return 0, false
}

// withKind adds to what SQLite answered the error on which callers branch.
func withKind(err error) error {
	code, found := codeOf(err)
	if !found {
		return err
	}

	switch code {
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC:
		return fmt.Errorf("%w: flush of the journal: %w", job.ErrUntrusted, err)
	case sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_DATA:
		return fmt.Errorf("%w: %w", errDamaged, err)
	}

	switch code & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", errDamaged, err)
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return fmt.Errorf("%w: journal: %w", job.ErrDisk, err)
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_MISMATCH:
		return fmt.Errorf("%w: %w", errNoTable, err)
	}

	return fmt.Errorf("journal: %w", err)
}
