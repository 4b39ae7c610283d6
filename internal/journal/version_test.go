package journal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// TestLaterVersionIsRefusedUntouched has the later version in the database, and
// only in its -wal.
func TestLaterVersionIsRefusedUntouched(t *testing.T) {
	t.Parallel()

	for name, folded := range map[string]bool{"in the database": true, "in the -wal": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := later(t, folded)
			files := []string{"journal.db", "journal.db-wal"}
			before := contents(t, dir, files)

			var newer *journal.NewerError

			_, err := journal.Open(options(dir))
			if !errors.As(err, &newer) || newer.Version != 99 {
				t.Errorf("got %v, want NewerError with 99", err)
			}

			if _, err = journal.OpenReadOnly(filepath.Join(dir, "journal.db")); !errors.As(err, &newer) {
				t.Errorf("reading: got %v, want NewerError", err)
			}

			for i, after := range contents(t, dir, files) {
				if !bytes.Equal(before[i], after) {
					t.Errorf("%s was touched", files[i])
				}
			}
		})
	}
}

// later returns a directory with a journal of version 99.
func later(t *testing.T, folded bool) string {
	t.Helper()

	dir, copied := t.TempDir(), t.TempDir()
	filled(t, dir)
	db := raw(t, dir)

	_, err := db.Exec("PRAGMA wal_autocheckpoint = 0; PRAGMA user_version = 99")
	must(t, err)

	if folded {
		must(t, db.Close())
	}

	for i, content := range contents(t, dir, []string{"journal.db", "journal.db-wal"}) {
		if content != nil {
			must(t, os.WriteFile(filepath.Join(copied, []string{"journal.db", "journal.db-wal"}[i]), content, 0o600))
		}
	}

	return copied
}

func contents(t *testing.T, dir string, names []string) [][]byte {
	t.Helper()

	var all [][]byte

	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}

		all = append(all, content)
	}

	return all
}

// sample is what the old samples in testdata hold, besides a hundred jobs that
// are done.
func sample(t testing.TB) []job.Record {
	t.Helper()

	at := time.Unix(1_700_000_000, 123_456_789)
	records := []job.Record{full(), plain("plain.csv"), plain("deferred.csv"), plain("done.csv")}

	for i := range records {
		rec := &records[i]

		id, err := job.ParseID("018bcfe5-687b-7fff-bfff-00000000000" + string(rune('0'+i)))
		must(t, err)

		rec.ID, rec.CreatedAt, rec.StartedAt = id, at, at.Add(time.Second)
		rec.Seen.Mtime, rec.Seen.Ctime, rec.Seen.Btime = at, at.Add(time.Hour), time.Time{}
	}

	a, b, c := &records[0], &records[2], &records[3]
	a.Exit.MaxMemory, a.Exit.CPU = 0, 0 // version 1 has no place for them
	a.Moving.ID, a.File, a.FinishedAt, a.DueAt = a.ID, job.WithID("a.csv", a.ID), at, at
	b.State, b.DueAt = job.Deferred, at.Add(time.Minute)
	*c = ended(*c, job.Done)
	c.FinishedAt = at.Add(time.Hour)

	return records
}

// TestOldSamplesLoad opens journals that earlier versions have written. When the
// schema gets a new version, write one more with the program as it was:
// IMPORTERD_TEST_SAMPLE=testdata/version-N.db go test -run TestOldSamplesLoad.
func TestOldSamplesLoad(t *testing.T) {
	t.Parallel()

	if path := os.Getenv("IMPORTERD_TEST_SAMPLE"); path != "" {
		writeSample(t, path)
	}

	paths, err := filepath.Glob("testdata/version-*.db")
	if err != nil || len(paths) == 0 {
		t.Fatal("no samples")
	}

	for _, path := range paths {
		dir := t.TempDir()
		content, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "journal.db"), content, 0o600))

		readAsItLies(t, dir, endsIn(path))

		j := open(t, dir)
		hasSample(t, j.Reader)

		if last, clean := j.Boot(); j.Fresh() || last != "boot-1" || !clean || j.Counts()[job.Done] != 101 {
			t.Errorf("%s: boot %q, clean %v, %v", path, last, clean, j.Counts())
		}

		rec, ends := told(t, j, plain("new"), job.Done), endsIn(path)+1
		if list, err := j.Told(0, 0); err != nil || len(list) != ends || list[ends-1].ID != rec.ID {
			t.Errorf("%s: %d ends were told, %v", path, len(list), err)
		}

		if due, _, err := j.Due(time.Now(), 9); err != nil || len(due) != 1 || due[0].Name != "deferred.csv" {
			t.Errorf("%s: %d jobs are due, %v", path, len(due), err)
		}

		if got, want := schema(t, dir), schema(t, fresh(t)); got != want {
			t.Errorf("%s: the schema became\n%s\nnot\n%s", path, got, want)
		}
	}
}

// TestOldJournalWithoutAnIndex wants what is recorded kept where somebody has dropped
// an index.
func TestOldJournalWithoutAnIndex(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	content, err := os.ReadFile("testdata/version-2.db")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "journal.db"), content, 0o600))

	db := raw(t, dir)
	_, err = db.Exec("DROP INDEX job_due")
	must(t, err)
	must(t, db.Close())

	hasSample(t, open(t, dir).Reader)
}

// endsIn returns how many ends have a number in an old sample: the first version had none.
func endsIn(path string) int {
	if filepath.Base(path) == "version-1.db" {
		return 0
	}

	return 100
}

// readAsItLies reads an old sample with no daemon to bring it up.
func readAsItLies(t *testing.T, dir string, ends int) {
	t.Helper()

	path := filepath.Join(dir, "journal.db")
	r, err := journal.OpenReadOnly(path)
	must(t, err)
	hasSample(t, r)

	if list, err := r.Told(0, 0); err != nil || len(list) != ends {
		t.Errorf("%d ends were told, %v", len(list), err)
	}

	if list, err := r.List(journal.Query{State: job.Processing}); err != nil || len(list) != 1 {
		t.Errorf("%d jobs are under way, %v", len(list), err)
	}

	must(t, r.Close())

	s, err := journal.OpenStill(path)
	must(t, err)

	if s.Damage != nil {
		t.Fatal(s.Damage)
	}

	hasSample(t, s.Reader)
	must(t, s.Close())
}

func hasSample(t *testing.T, r *journal.Reader) {
	t.Helper()

	for _, want := range sample(t) {
		e, err := r.Get(want.ID)
		must(t, err)

		if d := differ(e.Record, want); d != "" {
			t.Error(d)
		}
	}
}

// fresh returns a directory with a journal that this version has made.
func fresh(t *testing.T) string {
	t.Helper()

	dir := t.TempDir()
	open(t, dir)

	return dir
}

// schema tells of all tables, views and indexes.
func schema(t *testing.T, dir string) string {
	t.Helper()

	var all string

	must(t, raw(t, dir).QueryRow("SELECT group_concat(sql, char(10) ORDER BY name) FROM sqlite_master").Scan(&all))

	return all
}

func writeSample(t *testing.T, path string) {
	t.Helper()

	dir := t.TempDir()
	j := open(t, dir)
	must(t, j.MarkStarted())
	grow(t, j, 100)
	must(t, j.Commit(sample(t)...))
	must(t, j.MarkClean())
	must(t, j.Close())

	content, err := os.ReadFile(filepath.Join(dir, "journal.db"))
	must(t, err)
	must(t, os.WriteFile(path, content, 0o644))
}
