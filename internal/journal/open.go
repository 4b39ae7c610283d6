package journal

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

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
// start, not only after a run that did not end clean. It takes a tenth of a
// second.
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
	if err := probe(o.Path); err != nil {
		return nil, err
	}

	c, err := connect(o.Path)
	if err != nil {
		return nil, err
	}

	j, err := build(&o, c)
	if errors.Is(err, errNoTable) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}

	if err != nil {
		_ = c.close() // the first error says more

		return nil, fmt.Errorf("open journal %s: %w", job.Show(o.Path), err)
	}

	return j, nil
}

// probe makes an empty file where there is none, and looks at what is there
// without touching it.
func probe(path string) error {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%w: journal %s is %w", errDamaged, job.Show(path), job.ErrNotRegular)
	}

	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return diskKind(fmt.Errorf("open journal: %w", err))
	}
	defer f.Close()

	if err := probeHeader(f, path); err != nil {
		return err
	}

	return probeLog(path)
}

// Places in the first page of a database, see the SQLite file format.
const (
	headerSize        = 100
	headerMagic       = "SQLite format 3\x00"
	headerUserVersion = 60
)

func probeHeader(f io.Reader, path string) error {
	header := make([]byte, headerSize)

	switch n, err := io.ReadFull(f, header); {
	case errors.Is(err, io.EOF):
		return nil // empty: to be made
	case errors.Is(err, io.ErrUnexpectedEOF), err == nil && !bytes.HasPrefix(header, []byte(headerMagic)):
		return fmt.Errorf("%w: journal %s is no SQLite database (%d bytes read)", errDamaged, job.Show(path), n)
	case err != nil:
		return diskKind(fmt.Errorf("read journal: %w", err))
	}

	if v := int64(binary.BigEndian.Uint32(header[headerUserVersion:])); v > version {
		return &NewerError{Path: path, Version: v}
	}

	return nil
}

// probeLog finds a later version that is only in the -wal as yet.
func probeLog(path string) error {
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		return nil
	}

	db, err := readers(path)
	if err != nil {
		return err
	}
	defer db.Close()

	var v int64
	if err := db.QueryRow("PRAGMA user_version").Scan(&v); err == nil && v > version {
		return &NewerError{Path: path, Version: v}
	}

	return nil // what is wrong shows when it is opened
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
	j.Reader = &Reader{db: db, trouble: j.trouble, fail: j.fail}

	if err := j.load(); err != nil {
		_ = db.Close() // the first error says more

		return nil, err
	}

	return j, nil
}

// setUp sets what holds for the connection. The -wal is moved into the database
// by us alone: SQLite's own way reports a failure as one of the commit.
func setUp(c *conn) error {
	mode := make([]driver.Value, 1)
	if _, err := c.row("PRAGMA journal_mode = WAL", mode); err != nil {
		return err
	}

	if mode[0] != "wal" {
		return fmt.Errorf("the file system does not allow what SQLite's WAL needs (mode %v): use a local one", mode[0])
	}

	return c.exec(fmt.Sprintf(
		"PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = %d", maxLog))
}

// load reads what is kept in memory, and checks the whole where that is due.
func (j *Journal) load() error {
	meta, err := readMeta(j.db)
	if err != nil {
		return err
	}

	j.last, j.clean = meta["boot"], meta["clean"] == "1"
	j.fresh = j.last == ""

	if err := j.inspect(); err != nil {
		return err
	}

	next, _ := strconv.ParseInt(meta["next_seq"], 10, 64) // missing or nonsense: rows decide

	return j.known.load(j.db, next)
}

// inspect has SQLite check the database.
func (j *Journal) inspect() error {
	info, err := os.Stat(j.path)
	if err != nil {
		return diskKind(fmt.Errorf("stat: %w", err))
	}

	if j.clean && info.Size() > checkAlways {
		return nil
	}

	var answer string
	if err := j.db.QueryRow("PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return withKind(err)
	}

	if answer != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, answer)
	}

	return nil
}

// readMeta reads table meta.
func readMeta(db *sql.DB) (map[string]string, error) {
	rows, err := db.Query("SELECT key, value FROM meta")
	if err != nil {
		return nil, withKind(err)
	}
	defer rows.Close()

	meta := map[string]string{}

	for rows.Next() {
		var key, value string
		if err := rows.Scan(&key, &value); err != nil {
			return nil, withKind(err)
		}

		meta[key] = value
	}

	return meta, withKind(rows.Err())
}

// load reads the open jobs and the counts.
func (k *known) load(db *sql.DB, next int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()

	// Ten years from now, as the first six bytes of an id.
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(time.Now().AddDate(10, 0, 0).UnixMilli())<<16)
	copy(k.high[:], stamp[:6])

	var (
		last sql.NullInt64
		low  sql.NullString
	)

	if err := db.QueryRow("SELECT (SELECT max(seq) FROM job), (SELECT max(id) FROM job WHERE id < ?)",
		k.high.String()).Scan(&last, &low); err != nil {
		return withKind(err)
	}

	k.next = max(next, last.Int64+1)

	if low.Valid {
		id, err := job.ParseID(low.String)
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}

		k.low = id
	}

	if err := k.loadTally(db); err != nil {
		return err
	}

	return k.loadOpen(db)
}

func (k *known) loadTally(db *sql.DB) error {
	tally, err := readTally(db)
	for state, n := range tally {
		k.counts[state] = n
	}

	return err
}

// loadOpen reads what is kept of the open jobs; mu is held.
func (k *known) loadOpen(db *sql.DB) error {
	rows, err := db.Query("SELECT seq, id, name, state, move_to IS NOT NULL FROM job WHERE open = 1")
	if err != nil {
		return withKind(err)
	}
	defer rows.Close()

	for rows.Next() {
		var (
			seq       int64
			id, state string
			name      []byte
			moving    bool
		)

		if err := rows.Scan(&seq, &id, &name, &state, &moving); err != nil {
			return withKind(err)
		}

		rec := job.Record{Name: string(name), State: job.State(state)}
		if moving {
			rec.Moving = &job.Move{}
		}

		if rec.ID, err = job.ParseID(id); err != nil || !isState(rec.State) {
			return fmt.Errorf("%w: row %d has id %q, state %q", errDamaged, seq, id, state)
		}

		now := k.slotOf(seq, &rec)
		k.counts[now.state]-- // it is in the tally
		k.swap(rec.ID, change{now: now})
	}

	k.dueKnown = false

	return withKind(rows.Err())
}

// syncDir flushes a directory.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return diskKind(fmt.Errorf("open directory: %w", err))
	}
	defer d.Close()

	if err := d.Sync(); err != nil {
		return fmt.Errorf("%w: flush directory: %w", job.ErrUntrusted, err)
	}

	return nil
}

// diskErrors are the answers of a disk that may be another one later.
var diskErrors = []error{ //nolint:gochecknoglobals // a table that nobody writes to
	unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO, unix.EPERM, unix.EACCES, unix.ENOMEM, unix.EMFILE, unix.ENFILE,
	unix.EUCLEAN, unix.ESTALE,
}

// diskKind adds job.ErrDisk to what the kernel answered where it is of that
// kind.
func diskKind(err error) error {
	for _, disk := range diskErrors {
		if errors.Is(err, disk) {
			return fmt.Errorf("%w: %w", job.ErrDisk, err)
		}
	}

	return err
}

// exists says whether there is something at path.
func exists(path string) bool {
	_, err := os.Lstat(path)

	return !errors.Is(err, fs.ErrNotExist)
}
