package journal_test

import (
	"errors"
	"os"
	"testing"

	"importerd/internal/job"
)

func TestCheckNoticesWhatBecameOfTheFiles(t *testing.T) {
	t.Parallel()

	for name, lose := range map[string]func(path string) error{
		"removed":         os.Remove,
		"its log removed": func(path string) error { return os.Remove(path + "-wal") },
		"moved away":      func(path string) error { return os.Rename(path, path+".old") },
		"replaced by a copy": func(path string) error {
			text, err := os.ReadFile(path)

			return errors.Join(err, os.WriteFile(path+".new", text, 0o600), os.Rename(path+".new", path))
		},
		"removed and made again": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := t.TempDir()
			j := open(t, dir)
			must(t, j.Commit(plain("a")))

			for range 2000 { // the log is begun anew, and not taken for another one
				must(t, j.Note(plain("b")))
			}

			must(t, j.Check())
			must(t, lose(options(dir).Path))

			if err := j.Check(); !errors.Is(err, job.ErrSpoolReplaced) {
				t.Errorf("got %v", err)
			}

			if err := j.Close(); err != nil {
				t.Errorf("closed: %v", err)
			}

			j = open(t, dir) // there is nothing that a new start stumbles on
			must(t, j.Check())
			must(t, j.Commit(plain("c")))
		})
	}
}

func TestJournalsAreToldApart(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j, other := open(t, dir), open(t, t.TempDir())
	id := j.ID()

	if id == "" || id == other.ID() {
		t.Errorf("ids %q and %q", id, other.ID())
	}

	must(t, j.Close())

	if j = open(t, dir); j.ID() != id {
		t.Errorf("the id was %q, is %q", id, j.ID())
	}
}
