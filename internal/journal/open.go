package journal

import (
	"errors"
	"fmt"
	"path/filepath"

	"importerd/internal/job"
)

// NewerError says that the journal was written by a later version of this
// program. It was not touched.
type NewerError struct {
	Path    string
	Version int64 // of its schema
}

// Error tells both versions and what to do.
func (e *NewerError) Error() string {
	return fmt.Sprintf("journal %s is of version %d, this program knows %d: install the later program again",
		job.Show(e.Path), e.Version, version)
}

// checkAlways is the size in bytes up to which a journal is checked at every
// start, not only after a run that did not end clean. That takes a tenth of a
// second, a million jobs one second.
const checkAlways = 32 << 20

// Open opens the journal, or makes it. A damaged one is set aside, a fresh one
// takes its place, and the log tells. Other errors than of Journal: *NewerError.
//
// The caller must hold the spool: nobody else may write to the journal.
func Open(o Options) (*Journal, error) {
	cause := damage(o.Path)
	if cause == nil {
		j, err := open(o)
		if !errors.Is(err, errDamaged) {
			return j, err
		}

		cause = err
	}

	if err := setAside(&o, cause); err != nil {
		return nil, fmt.Errorf("set damaged journal aside: %w", err)
	}

	return open(o)
}

// open is Open for what is whole.
func open(o Options) (*Journal, error) {
	info, err := probe(o.Path)
	if err != nil {
		return nil, err
	}

	c, err := connect(o.Path)
	if err != nil {
		return nil, err
	}

	j, err := build(&o, c)
	if err == nil {
		j.opened = append(j.opened, opened{o.Path, info})
	}

	if errors.Is(err, errNoTable) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}

	if err != nil {
		_ = c.close() // the first error says more

		return nil, fmt.Errorf("open journal %s: %w", job.Show(o.Path), err)
	}

	return j, nil
}

// build sets the connection up, checks what is there and loads what is kept in
// memory.
func build(o *Options, c *conn) (*Journal, error) {
	if err := setUp(c); err != nil {
		return nil, err
	}

	made, err := migrate(c)
	if err != nil {
		return nil, err
	}

	if made {
		if err := syncDir(filepath.Dir(o.Path)); err != nil {
			return nil, err
		}
	}

	w, err := newWriter(c)
	if err != nil {
		return nil, err
	}

	db, err := readers(o.Path)
	if err != nil {
		return nil, err
	}

	j := &Journal{path: o.Path, boot: o.Boot, log: o.Log, writer: w, known: newKnown()}
	j.Reader = &Reader{db: db, version: version, trouble: j.trouble, fail: j.fail}

	err = j.load()
	if err == nil {
		err = j.hold(o.Path + "-wal")
	}

	if err == nil {
		j.flusher, err = newFlusher(o.Path+"-wal", filepath.Dir(o.Path))
	}

	if err != nil {
		closeQuietly(db)

		return nil, err
	}

	return j, nil
}

// setUp sets what holds for the connection. The -wal is moved into the database
// by us alone: SQLite's own way reports a failure as one of the commit. It is flushed
// by us, too, but for its header and when it is moved, which is what NORMAL does.
func setUp(c *conn) error {
	var mode string
	if err := c.first("PRAGMA journal_mode = WAL", func(s *stmt) { mode = s.word(0) }); err != nil {
		return err
	}

	if mode != "wal" {
		return fmt.Errorf("the file system does not allow what SQLite's WAL needs (mode %s): use a local one", mode)
	}

	return c.exec(fmt.Sprintf(
		"PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = %d", maxLog))
}
