package journal_test

import (
	"path/filepath"
	"testing"
	"time"

	"importerd/internal/journal"
)

// What is kept of the spool can be read while a daemon has the journal, and after.
func TestNotes(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)
	boot := time.Now().Round(0).UTC()

	notes := func(want journal.Notes) {
		t.Helper()

		r, err := journal.OpenReadOnly(filepath.Join(dir, "journal.db"))
		if err != nil {
			t.Fatal(err)
		}

		defer func() { must(t, r.Close()) }()

		if got, err := r.Notes(); err != nil || got != want {
			t.Errorf("it holds %+v, %v, want %+v", got, err, want)
		}
	}

	notes(journal.Notes{})

	if err := j.HoldHusks(boot); err != nil {
		t.Fatal(err)
	}

	if err := j.SetPaused(true); err != nil {
		t.Fatal(err)
	}

	notes(journal.Notes{Husks: boot, Paused: true})

	if err := j.SetPaused(false); err != nil {
		t.Fatal(err)
	}

	notes(journal.Notes{Husks: boot})
}
