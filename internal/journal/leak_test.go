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
