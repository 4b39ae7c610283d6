package journal

import (
	"encoding/hex"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"importerd/internal/job"
)

// stmt is a prepared statement. Its parameters are positional and keep their values from
// one run to the next: to give one the value that it has costs nearly nothing, and most
// do not change from row to row.
type stmt struct {
	conn   *conn
	handle uintptr // sqlite3_stmt*; 0: closed
	params []param
	next   int   // the parameter that is given a value next
	rc     int32 // the first error since the last run
}

// kind is what a parameter has.
type kind int

const (
	null kind = iota // as SQLite has it at first
	integer
	text
	blob
)

// param is what a parameter has. Texts and blobs lie in memory of C, which SQLite reads
// while the statement runs.
type param struct {
	kind   kind
	number int64
	place  uintptr // 0: none was needed so far
	bytes  []byte  // the memory at place, all of it
	length int     // how much of it the value takes
}

// prepare compiles a statement that is kept until the connection is closed.
func (c *conn) prepare(query string) (*stmt, error) {
	s, err := c.compile(query)
	if err == nil {
		c.prepared = append(c.prepared, s)
	}

	return s, err
}

// compile compiles a statement, which the caller closes.
func (c *conn) compile(query string) (*stmt, error) {
	sql, err := libc.CString(query)
	if err != nil {
		return nil, errNoMemory
	}
	defer libc.Xfree(c.tls, sql)

	handle, err := c.pointer()
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, handle)

	rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, sql, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, handle, 0)
	if err := c.check(rc); err != nil {
		return nil, err
	}

	s := &stmt{conn: c, handle: libc.AtomicLoadPUintptr(handle)}
	s.params = make([]param, sqlite3.Xsqlite3_bind_parameter_count(c.tls, s.handle))

	return s, nil
}

// close frees what the statement has.
func (s *stmt) close() {
	if s.handle == 0 {
		return
	}

	sqlite3.Xsqlite3_finalize(s.conn.tls, s.handle) // its error is that of the last run
	s.handle = 0

	for i := range s.params {
		libc.Xfree(s.conn.tls, s.params[i].place)
	}
}

// param returns the next parameter, to be given a value.
func (s *stmt) param() *param {
	p := &s.params[s.next]
	s.next++

	return p
}

// note keeps the first error.
func (s *stmt) note(rc int32) {
	if s.rc == sqlite3.SQLITE_OK {
		s.rc = rc
	}
}

// null gives the next parameter no value.
func (s *stmt) null() {
	p := s.param()
	if p.kind == null {
		return
	}

	p.kind = null
	s.note(sqlite3.Xsqlite3_bind_null(s.conn.tls, s.handle, int32(s.next)))
}

// int gives the next parameter a number.
func (s *stmt) int(n int64) {
	p := s.param()
	if p.kind == integer && p.number == n {
		return
	}

	p.kind, p.number = integer, n
	s.note(sqlite3.Xsqlite3_bind_int64(s.conn.tls, s.handle, int32(s.next), n))
}

// text gives the next parameter a text.
func (s *stmt) text(value string) {
	p := s.param()
	if s.keep(p, text, len(value)) {
		copy(p.bytes, value)
	}
}

// blob gives the next parameter bytes.
func (s *stmt) blob(value string) {
	p := s.param()
	if s.keep(p, blob, len(value)) {
		copy(p.bytes, value)
	}
}

// bytes gives the next parameter a text.
func (s *stmt) bytes(value []byte) {
	p := s.param()
	if s.keep(p, text, len(value)) {
		copy(p.bytes, value)
	}
}

// id gives the next parameter an id as a text.
func (s *stmt) id(id job.ID) {
	var room [36]byte

	to := room[:0]
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			to = append(to, '-')
		}

		to = hex.AppendEncode(to, part)
	}

	s.bytes(to)
}

// flag gives the next parameter 1 or 0.
func (s *stmt) flag(set bool) {
	if set {
		s.int(1)
	} else {
		s.int(0)
	}
}

// keep makes room for a value that is length bytes long. It says whether there is; if
// not, the statement will not run.
func (s *stmt) keep(p *param, k kind, length int) bool {
	if p.kind == k && p.length == length {
		return true
	}

	tls := s.conn.tls

	if p.place == 0 || length > len(p.bytes) {
		size := max(2*length, leastRoom)
		libc.Xfree(tls, p.place)

		p.kind, p.bytes = null, nil
		if p.place = libc.Xmalloc(tls, libc.Tsize_t(size)); p.place == 0 {
			s.note(sqlite3.SQLITE_NOMEM)

			return false
		}

		p.bytes = libc.GoBytes(p.place, size)
	}

	p.kind, p.length = k, length

	const static = 0 // the memory is ours

	if k == text {
		s.note(sqlite3.Xsqlite3_bind_text(tls, s.handle, int32(s.next), p.place, int32(length), static))
	} else {
		s.note(sqlite3.Xsqlite3_bind_blob(tls, s.handle, int32(s.next), p.place, int32(length), static))
	}

	return true
}

// leastRoom is how many bytes a text gets at least: an id fits.
const leastRoom = 48

// run runs the statement with the values that were given. It answers nothing.
func (s *stmt) run() error { return s.row(nil) }

// row runs the statement and calls read for the first row that it answers, if there is
// one.
func (s *stmt) row(read func(s *stmt)) error {
	rc := s.rc
	s.next, s.rc = 0, sqlite3.SQLITE_OK

	if rc != sqlite3.SQLITE_OK {
		s.forget()

		return s.conn.check(rc)
	}

	rc = sqlite3.Xsqlite3_step(s.conn.tls, s.handle)
	if rc == sqlite3.SQLITE_ROW && read != nil {
		read(s)
	}

	err := s.conn.check(rc)
	s.reset()

	return err
}

// hold runs the statement to its first row and leaves it there, until reset: meanwhile
// the connection sees one state of the database.
func (s *stmt) hold() error {
	rc := sqlite3.Xsqlite3_step(s.conn.tls, s.handle)

	err := s.conn.check(rc)
	if err != nil {
		s.reset()
	}

	return err
}

// reset makes the statement ready for another run. What SQLite answers is the error of
// the last one.
func (s *stmt) reset() { sqlite3.Xsqlite3_reset(s.conn.tls, s.handle) }

// forget gives no parameter a value: one could not be given.
func (s *stmt) forget() {
	sqlite3.Xsqlite3_clear_bindings(s.conn.tls, s.handle)

	for i := range s.params {
		s.params[i].kind = null
	}
}

// number returns a column of the row that is read.
func (s *stmt) number(column int32) int64 {
	return sqlite3.Xsqlite3_column_int64(s.conn.tls, s.handle, column)
}

// word returns a column of the row that is read.
func (s *stmt) word(column int32) string {
	return libc.GoString(sqlite3.Xsqlite3_column_text(s.conn.tls, s.handle, column))
}
