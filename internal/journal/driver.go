package journal

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
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

// forever is the context of writes: none is given up half-way.
type forever struct{}

// Deadline is never.
func (forever) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done never comes.
func (forever) Done() <-chan struct{} { return nil }

// Err is nil.
func (forever) Err() error { return nil }

// Value is nil.
func (forever) Value(any) any { return nil }

// conn is one connection of the driver, without the pool of database/sql: that
// takes a tenth of the time of a row.
type conn struct {
	raw      driver.Conn
	prepared []driver.Stmt
}

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

// connect opens a connection that may write. The file must be there.
func connect(path string) (*conn, error) {
	name, err := dsn(path, "mode=rw")
	if err != nil {
		return nil, err
	}

	connector, err := sqlite.NewConnector(name)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}

	raw, err := connector.Connect(forever{})
	if err != nil {
		return nil, withKind(err)
	}

	return &conn{raw: raw}, nil
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

// exec runs statements that answer nothing.
func (c *conn) exec(script string) error {
	_, err := c.raw.(driver.ExecerContext).ExecContext(forever{}, script, nil)

	return withKind(err)
}

// row runs a query and fills dest from its first row; it says whether there is
// one.
func (c *conn) row(query string, dest []driver.Value) (bool, error) {
	rows, err := c.raw.(driver.QueryerContext).QueryContext(forever{}, query, nil)

	return first(rows, err, dest)
}

// number runs a query that answers one number.
func (c *conn) number(query string) (int64, error) {
	dest := make([]driver.Value, 1)
	if _, err := c.row(query, dest); err != nil {
		return 0, err
	}

	n, _ := dest[0].(int64)

	return n, nil
}

// prepare compiles a statement that is run often.
func (c *conn) prepare(query string) (*stmt, error) {
	s, err := c.raw.(driver.ConnPrepareContext).PrepareContext(forever{}, query)
	if err != nil {
		return nil, withKind(err)
	}

	c.prepared = append(c.prepared, s)

	return &stmt{raw: s}, nil
}

// close closes the connection. The last one of all moves the -wal into the
// database, unless a statement is left open.
func (c *conn) close() error {
	for _, s := range c.prepared {
		closeQuietly(s)
	}

	return withKind(c.raw.Close())
}

// stmt is a prepared statement.
type stmt struct {
	raw driver.Stmt
}

func (s *stmt) exec(args []driver.NamedValue) error {
	_, err := s.raw.(driver.StmtExecContext).ExecContext(forever{}, args)

	return withKind(err)
}

func (s *stmt) row(args []driver.NamedValue, dest []driver.Value) (bool, error) {
	rows, err := s.raw.(driver.StmtQueryContext).QueryContext(forever{}, args)

	return first(rows, err, dest)
}

// first fills dest from the first row and closes rows.
func first(rows driver.Rows, err error, dest []driver.Value) (bool, error) {
	if err != nil {
		return false, withKind(err)
	}

	err = rows.Next(dest)
	if closed := rows.Close(); err == nil {
		err = closed
	}

	if errors.Is(err, io.EOF) {
		return false, nil
	}

	return err == nil, withKind(err)
}

// arguments numbers values for a statement.
func arguments(values ...driver.Value) []driver.NamedValue {
	args := make([]driver.NamedValue, len(values))
	for i, v := range values {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}

	return args
}

// errDamaged says that the database is not as SQLite has left it.
var errDamaged = errors.New("damaged")

// errNoTable says that the database lacks something that ours have.
var errNoTable = errors.New("not as a journal is")

// withKind adds to what SQLite answered the error on which callers branch.
func withKind(err error) error {
	var answer *sqlite.Error
	if err == nil || !errors.As(err, &answer) {
		return err
	}

	switch answer.Code() {
	case sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC:
		return fmt.Errorf("%w: flush of the journal: %w", job.ErrUntrusted, err)
	case sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_DATA:
		return fmt.Errorf("%w: %w", errDamaged, err)
	}

	switch answer.Code() & 0xff {
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
