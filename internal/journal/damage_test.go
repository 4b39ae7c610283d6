package journal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// filled makes a journal with some hundred jobs and returns its path.
func filled(t *testing.T, dir string) string {
	t.Helper()

	j := open(t, dir)
	must(t, j.MarkStarted())
	grow(t, j, 500)
	must(t, j.Commit(plain("open")))
	must(t, j.MarkClean())
	must(t, j.Close())

	return filepath.Join(dir, "journal.db")
}

// spoil changes a file's content.
func spoil(t *testing.T, path string, change func(content []byte) []byte) {
	t.Helper()

	content, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, change(content), 0o600))
}

func TestDamagedJournalIsSetAside(t *testing.T) {
	t.Parallel()

	cases := map[string]func(content []byte) []byte{
		"text":           func([]byte) []byte { return []byte(strings.Repeat("not a database\n", 1000)) },
		"short text":     func([]byte) []byte { return []byte("x") },
		"magic flipped":  func(c []byte) []byte { c[3] ^= 0x20; return c },
		"page size gone": func(c []byte) []byte { c[16], c[17] = 0, 3; return c },
		"first page":     func(c []byte) []byte { return append(make([]byte, 4096), c[4096:]...) },
		"schema":         func(c []byte) []byte { return bytes.ReplaceAll(c, []byte("busy"), []byte("lazy")) },
		"middle": func(c []byte) []byte {
			for i := range 4096 {
				c[len(c)/2/4096*4096+i] = byte(i * 7)
			}

			return c
		},
		"half":       func(c []byte) []byte { return c[:len(c)/2] },
		"not a page": func(c []byte) []byte { return c[:len(c)-1000] },
		"state":      func(c []byte) []byte { return bytes.ReplaceAll(c, []byte("processing"), []byte("progessing")) },
	}

	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := t.TempDir()
			spoil(t, filled(t, dir), change)

			checkSetAside(t, dir)
		})
	}
}

// checkSetAside opens a damaged journal and checks what becomes of it.
func checkSetAside(t *testing.T, dir string) {
	t.Helper()

	before, err := os.ReadFile(filepath.Join(dir, "journal.db"))
	must(t, err)

	var log bytes.Buffer

	o := options(dir)
	o.Log = zerolog.New(&log)

	j, err := journal.Open(o)
	must(t, err)

	defer shut(t, j)

	if !j.Fresh() || j.UnderWay("open") {
		t.Error("the damaged journal is still in use")
	}

	must(t, j.Commit(plain("new")))

	after, err := os.ReadFile(filepath.Join(dir, "journal.db.aside"))
	if err != nil || len(before) != len(after) {
		t.Errorf("what was set aside is not what was there: %v", err)
	}

	if !strings.Contains(log.String(), "journal.db.aside") {
		t.Errorf("the log does not tell where it is: %s", log.String())
	}

	if exists(t, filepath.Join(dir, "journal.db-damaged")) {
		t.Error("the new journal counts as damaged")
	}
}

func TestDirectoryInTheJournalsPlaceIsSetAside(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "journal.db"), 0o700))
	must(t, open(t, dir).Commit(plain("a")))

	if !exists(t, filepath.Join(dir, "journal.db.aside")) {
		t.Error("nothing was set aside")
	}
}

// TestDamageFoundLater has a run meet damage in the middle of its work: it
// ends, and the next one does not trust the journal although it opens well.
func TestDamageFoundLater(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	path := filled(t, dir)
	j := open(t, dir)
	grow(t, j, 20_000) // more than SQLite keeps in memory
	must(t, j.Close())

	j = open(t, dir)

	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)

	defer f.Close()

	info, err := f.Stat()
	must(t, err)

	for at := int64(2 * 4096); at < info.Size(); at += 4096 {
		_, err = f.WriteAt(bytes.Repeat([]byte{0xee}, 4096), at)
		must(t, err)
	}

	for range 2 {
		_, err = j.List(journal.Query{})
		if !errors.Is(err, job.ErrUntrusted) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want job.ErrUntrusted with the path", err)
		}
	}

	if err = j.Commit(plain("a")); !errors.Is(err, job.ErrUntrusted) {
		t.Errorf("a damaged journal goes on: %v", err)
	}

	must(t, j.Close())
	spoil(t, path, func([]byte) []byte { return nil }) // as if it were new: the mark counts
	must(t, os.WriteFile(path, []byte{}, 0o600))
	checkSetAside(t, dir)
}

// TestSetAsideCutShort has the daemon die between the steps: the old -wal must
// not meet the new database.
func TestSetAsideCutShort(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	spoil(t, filled(t, dir), func(c []byte) []byte { return c[:5000] })
	must(t, os.WriteFile(filepath.Join(dir, "journal.db-wal"), []byte("old"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "journal.db-damaged"), []byte("found by a run before"), 0o600))

	for _, left := range []int{0, 1} {
		o := options(dir)
		aside := o.SetAside
		o.SetAside = func(name string) (string, error) {
			if left--; left < 0 {
				return "", job.ErrDisk
			}

			return aside(name)
		}

		if _, err := journal.Open(o); !errors.Is(err, job.ErrDisk) {
			t.Fatalf("got %v, want job.ErrDisk", err)
		}
	}

	checkSetAside(t, dir)

	if exists(t, filepath.Join(dir, "journal.db-wal")) {
		t.Error("the old -wal is still there")
	}
}
