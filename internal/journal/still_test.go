package journal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// trace tells of all in dir what a change would change.
func trace(t *testing.T, dir string) string {
	t.Helper()

	var b strings.Builder

	entries, err := os.ReadDir(dir)
	must(t, err)

	for _, e := range entries {
		var stat unix.Stat_t
		must(t, unix.Lstat(filepath.Join(dir, e.Name()), &stat))
		fmt.Fprintln(&b, e.Name(), stat.Ino, stat.Mode, stat.Uid, stat.Size, stat.Mtim, stat.Ctim)
	}

	return b.String()
}

// abandoned returns a directory with the files of a journal as a death leaves
// them: one job is only in the -wal.
func abandoned(t *testing.T) (string, job.Record) {
	t.Helper()

	dir, dead := t.TempDir(), t.TempDir()
	j := open(t, dir)
	rec := plain("a")

	must(t, j.MarkStarted())
	must(t, j.Commit(rec))

	for _, suffix := range []string{"", "-wal", "-shm"} {
		text, err := os.ReadFile(options(dir).Path + suffix)
		must(t, err)
		must(t, os.WriteFile(options(dead).Path+suffix, text, 0o600))
	}

	shut(t, j)

	return dead, rec
}

//nolint:paralleltest // the place for temporary files is the process's
func TestStillOfADeadJournalChangesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)

	for _, lost := range []string{"", "-shm"} {
		dir, rec := abandoned(t)
		path := options(dir).Path

		if lost != "" {
			must(t, os.Remove(path+lost))
		}

		before := trace(t, dir)

		s, err := journal.OpenStill(path)
		must(t, err)

		if s.Damage != nil || s.Fresh || s.Clean || s.Boot != options(dir).Boot {
			t.Errorf("%+v", s)
		}

		if e, err := s.Get(rec.ID); err != nil || e.Name != "a" {
			t.Errorf("%+v, %v", e, err)
		}

		must(t, s.Close())

		if after := trace(t, dir); after != before {
			t.Errorf("\n%s\nhas become\n%s", before, after)
		}

		if left := trace(t, tmp); left != "" {
			t.Errorf("left is %s", left)
		}
	}
}

func TestStillOfAClosedJournal(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	path := options(dir).Path

	if _, err := journal.OpenStill(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is none: %v", err)
	}

	must(t, os.WriteFile(path, nil, 0o600))

	s, err := journal.OpenStill(path)
	must(t, err)

	if _, err := s.Get(job.NewID()); !s.Fresh || s.Damage != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty file: %+v, %v", s, err)
	}

	must(t, s.Close())

	j := open(t, dir)
	must(t, j.MarkStarted())
	must(t, j.MarkClean())
	shut(t, j)

	before := trace(t, dir)

	s, err = journal.OpenStill(path)
	must(t, err)

	if !s.Clean || s.Fresh {
		t.Errorf("%+v", s)
	}

	must(t, s.Close())

	if after := trace(t, dir); after != before {
		t.Errorf("\n%s\nhas become\n%s", before, after)
	}
}

func TestStillFindsDamage(t *testing.T) {
	t.Parallel()

	for name, spoil := range map[string]func(path string) error{
		"no database": func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("nonsense", 99)), 0o600) },
		"directory":   func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"marked":      func(path string) error { return os.WriteFile(path+"-damaged", []byte("so"), 0o600) },
		"cut":         func(path string) error { return os.Truncate(path, 8192) },
	} {
		dir := t.TempDir()
		path := options(dir).Path
		j := open(t, dir)
		must(t, j.Commit(plain("a")))
		shut(t, j)
		must(t, spoil(path))

		before := trace(t, dir)

		s, err := journal.OpenStill(path)
		must(t, err)

		if s.Damage == nil || !s.Fresh || s.Reader != nil {
			t.Errorf("%s: %+v", name, s)
		}

		must(t, s.Close())

		if after := trace(t, dir); after != before {
			t.Errorf("%s:\n%s\nhas become\n%s", name, before, after)
		}
	}
}
