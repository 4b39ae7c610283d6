package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"importerd/internal/job"
)

// Still is what a journal says that nobody has open, read without changing
// anything.
type Still struct {
	*Reader // nil: there is nothing to read, since Damage is not nil or no jobs were ever recorded

	Damage error  // why Open would set the journal aside; nil: it would not
	Fresh  bool   // as of a Journal
	Boot   string // as of a Journal
	Clean  bool   // as of a Journal
	copied string // a directory of our own; empty: none
}

// OpenStill reads the journal at path and checks it, without making or
// changing any file. Errors: fs.ErrNotExist, *NewerError, job.ErrDisk, others.
//
// The caller must hold the spool: nobody may open the journal meanwhile.
func OpenStill(path string) (*Still, error) {
	s, err := openStill(path)
	if errors.Is(err, errDamaged) || errors.Is(err, errNoTable) {
		return &Still{Damage: err, Fresh: true}, nil
	}

	if err != nil {
		return nil, fmt.Errorf("look at journal %s: %w", job.Show(path), err)
	}

	return s, nil
}

func openStill(path string) (*Still, error) {
	if err := damage(path); err != nil {
		return nil, err
	}

	size, err := peek(path)
	if err != nil {
		return nil, err
	}

	if size == 0 && logSize(path) == 0 {
		return &Still{Fresh: true}, nil
	}

	s := &Still{}

	err = s.open(path)
	if err == nil {
		err = s.check()
	}

	if err != nil {
		closeQuietly(s)

		return nil, err
	}

	return s, nil
}

// peek looks at the file as probe does, and returns its size.
func peek(path string) (int64, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, diskKind(err)
	}

	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%w: it is %w", errDamaged, job.ErrNotRegular)
	}

	f, err := os.Open(path)
	if err != nil {
		return 0, diskKind(err)
	}
	defer f.Close()

	return info.Size(), probeHeader(f, path)
}

// open opens the journal so that SQLite makes and changes no file beside it.
// With an empty -wal it is read as it lies; otherwise a copy is read, since even
// to read SQLite writes to the -shm, and chowns both files if we are root.
func (s *Still) open(path string) error {
	var err error

	if logSize(path) == 0 {
		s.Reader, err = openReader(path, "immutable=1")

		return err
	}

	if s.copied, err = os.MkdirTemp("", "importerd-"); err != nil {
		return diskKind(fmt.Errorf("copy: %w", err))
	}

	there := filepath.Join(s.copied, filepath.Base(path))

	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(there+suffix, path+suffix); err != nil {
			return diskKind(fmt.Errorf("copy: %w", err))
		}
	}

	s.Reader, err = openReader(there)

	return err
}

// copyFile copies a file, for a while only.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err //nolint:wrapcheck // wrapped by the caller
	}
	defer in.Close()

	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err //nolint:wrapcheck // wrapped by the caller
	}

	_, err = io.Copy(out, in)

	return errors.Join(err, out.Close())
}

// check reads what Open reads, and all jobs that recovery needs.
func (s *Still) check() error {
	meta, err := readMeta(s.db)
	if err != nil {
		return err
	}

	s.Boot, s.Clean = meta["boot"], meta["clean"] == "1"
	s.Fresh = s.Boot == ""

	var answer string
	if err := s.db.QueryRow("PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return withKind(err)
	}

	if answer != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, answer)
	}

	for _, err := range s.Unfinished() {
		if err != nil {
			return err
		}
	}

	return nil
}

// Get is as of a Reader.
func (s *Still) Get(id job.ID) (Entry, error) {
	if s.Reader == nil {
		return Entry{}, fmt.Errorf("job %s: %w", id, fs.ErrNotExist)
	}

	return s.Reader.Get(id)
}

// Close ends reading.
func (s *Still) Close() error {
	var err error

	if s.Reader != nil {
		err = s.Reader.Close()
	}

	if s.copied != "" {
		err = errors.Join(err, os.RemoveAll(s.copied))
	}

	return err
}
