package app_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"importerd/internal/app"
	"importerd/internal/job"
	"importerd/internal/journal"
)

// TestLostJournalIsMadeAnew takes the journal from a daemon that works: it notices,
// opens the spool anew, and goes on from the folders. Nothing is lost or handled twice.
func TestLostJournalIsMadeAnew(t *testing.T) {
	t.Parallel()

	for name, lose := range map[string]func(path string) error{
		"removed": os.Remove,
		"removed with all that is its": func(path string) error {
			return errors.Join(os.Remove(path), os.Remove(path+"-wal"), os.Remove(path+"-shm"))
		},
		"its log removed": func(path string) error { return os.Remove(path + "-wal") },
		"moved away":      func(path string) error { return os.Rename(path, path+".old") },
		"another in its place": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newSpool(t, "sh", "-c", `case $1 in */later*) test -e go || exit 75; esac; echo "${1##*/}" >> handled`, "-")
			s.cfg.Backoff.Min, s.cfg.Backoff.Max = 100*time.Millisecond, 200*time.Millisecond
			path := s.path(".importerd", "journal.db")
			d := start(t, app.Options{}, s)
			s.drop("first.csv", "1")
			s.drop("later.csv", "2")
			s.await("done", "first.csv")
			s.await("deferred", "later.csv")

			if err := lose(path); err != nil {
				t.Fatal(err)
			}

			d.await(`"message":"spool degraded"`)
			d.await(`the spool was replaced: .*journal\.db`)
			s.drop("next.csv", "3")
			s.await("done", "next.csv")
			s.write("go", "")
			s.await("done", "later.csv")
			d.Signal()

			if err := d.wait(); err != nil {
				t.Error(err)
			}

			s.wants("done", "first.csv", "later.csv", "next.csv")
			s.wants("processing")
			s.wants("failed")

			content, err := os.ReadFile(s.path("handled"))
			if got := strings.Fields(string(content)); err != nil || len(got) != 3 || len(slices.Compact(got)) != 3 {
				t.Errorf("handled: %q, %v", got, err)
			}

			s.knows("next.csv")
		})
	}
}

// knows checks that the journal at its path has a job of that name, done.
func (s *scratch) knows(name string) {
	s.Helper()

	r, err := journal.OpenReadOnly(s.path(".importerd", "journal.db"))
	if err != nil {
		s.Fatal(err)
	}

	list, err := r.List(journal.Query{Name: name, State: job.Done})
	if err = errors.Join(err, r.Close()); err != nil || len(list) != 1 {
		s.Errorf("the journal has %d jobs %s that are done, %v", len(list), name, err)
	}

	if kept, _ := filepath.Glob(s.path(".importerd", "*damaged*")); len(kept) > 0 {
		s.Errorf("it counts as damaged: %q", kept)
	}
}
