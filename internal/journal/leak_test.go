package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"importerd/internal/journal"
)

// TestReaderLetsGo wants nothing of a journal to be open when its reader is
// closed: the file system could not be unmounted.
func TestReaderLetsGo(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	shut(t, open(t, dir))

	r, err := journal.OpenReadOnly(filepath.Join(dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}

	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}

	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, dir) {
			t.Errorf("%s is still open", to)
		}
	}
}

// TestFoldKeepsNoStatement wants a journal that folds its log again and again to keep
// what it had.
func TestFoldKeepsNoStatement(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	must(t, j.Note(plain("a")))

	before := j.Prepared()

	for range 5 {
		must(t, j.Fold())
	}

	if after := j.Prepared(); after != before {
		t.Errorf("%d statements are kept, %d before", after, before)
	}
}
