package journal

import (
	"errors"
	"fmt"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"importerd/internal/job"
)

// conn is the connection that writes: SQLite's own calls, without driver and
// database/sql, which take as long for a row as SQLite itself. One goroutine at a
// time uses it.
type conn struct {
	tls      *libc.TLS // what SQLite takes for its thread
	db       uintptr   // sqlite3*
	counters uintptr   // room for two numbers of written
	prepared []*stmt   // closed with the connection
}

// answer is an error of SQLite.
type answer struct {
	code int
	text string
}

// Error is what SQLite says of it.
func (a *answer) Error() string { return fmt.Sprintf("%s (%d)", a.text, a.code) }

// connect opens a connection that may write. The file must be there.
func connect(path string) (*conn, error) {
	c := &conn{tls: libc.NewTLS()}

	err := c.open(path)
	if err == nil {
		err = c.exec(fmt.Sprintf("PRAGMA busy_timeout = %d; PRAGMA trusted_schema = 0;"+
			" PRAGMA cell_size_check = 1; PRAGMA temp_store = 2", lockWait.Milliseconds()))
	}

	if err != nil {
		return nil, errors.Join(err, c.close())
	}

	return c, nil
}

func (c *conn) open(path string) error {
	name, err := libc.CString(path)
	if err != nil {
		return errNoMemory
	}
	defer libc.Xfree(c.tls, name)

	handle, err := c.pointer()
	if err != nil {
		return err
	}
	defer libc.Xfree(c.tls, handle)

	const flags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_NOMUTEX

	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, handle, flags, 0)
	c.db = libc.AtomicLoadPUintptr(handle) // also after an error, so that it can be asked and closed

	if rc == sqlite3.SQLITE_OK {
		rc = sqlite3.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	}

	if err := c.check(rc); err != nil {
		return err
	}

	c.counters, err = c.pointer()

	return err
}

// errNoMemory says that C's allocator has nothing left.
var errNoMemory = fmt.Errorf("%w: journal: out of memory", job.ErrDisk)

// pointer returns room for an address. The caller frees it.
func (c *conn) pointer() (uintptr, error) {
	p := libc.Xcalloc(c.tls, 1, ptrSize)
	if p == 0 {
		return 0, errNoMemory
	}

	return p, nil
}

// ptrSize is the size of an address on all that we build for.
const ptrSize = 8

// check makes an error of what SQLite has answered.
func (c *conn) check(rc int32) error {
	switch rc {
	case sqlite3.SQLITE_OK, sqlite3.SQLITE_ROW, sqlite3.SQLITE_DONE:
		return nil
	}

	text := libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 {
		text = libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))
	}

	return withKind(&answer{int(rc), text})
}

// exec runs statements that answer nothing.
func (c *conn) exec(script string) error {
	text, err := libc.CString(script)
	if err != nil {
		return errNoMemory
	}
	defer libc.Xfree(c.tls, text)

	return c.check(sqlite3.Xsqlite3_exec(c.tls, c.db, text, 0, 0, 0))
}

// written returns how many pages have gone into the -wal since they were last counted
// from zero.
func (c *conn) written(fromZero bool) int {
	var reset int32
	if fromZero {
		reset = 1
	}

	const op = sqlite3.SQLITE_DBSTATUS_CACHE_WRITE

	sqlite3.Xsqlite3_db_status(c.tls, c.db, op, c.counters, c.counters+4, reset) // no error of it can be

	return int(libc.AtomicLoadPInt32(c.counters))
}

// first runs a query and calls read for its first row, if there is one.
func (c *conn) first(query string, read func(s *stmt)) error {
	s, err := c.compile(query)
	if err != nil {
		return err
	}
	defer s.close()

	return s.row(read)
}

// close closes the connection. The last one of all moves the -wal into the
// database, unless a statement is left open.
func (c *conn) close() error {
	for _, s := range c.prepared {
		s.close()
	}

	var err error
	if c.db != 0 {
		err = c.check(sqlite3.Xsqlite3_close(c.tls, c.db))
	}

	libc.Xfree(c.tls, c.counters)
	c.tls.Close()

	return err
}
