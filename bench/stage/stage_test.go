package stage_test

import (
	"os"
	"path/filepath"
	"testing"

	"importerd/bench/stage"
)

// mustCount checks how many files there are, and that each has the size.
func mustCount(t *testing.T, dir string, files int, size int64) {
	t.Helper()

	if n, err := stage.Count(dir); err != nil || n != files {
		t.Fatalf("%d files in %s, want %d: %v", n, dir, files, err)
	}

	for i := range files {
		info, err := os.Stat(filepath.Join(dir, stage.Name(i)))
		if err != nil {
			t.Fatal(err)
		}

		if info.Size() != size {
			t.Errorf("%s has %d bytes", info.Name(), info.Size())
		}
	}
}

func TestSetIsLentAndMadeWholeAgain(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	set, err := stage.NewSet(dir, 20, 1000)
	if err != nil {
		t.Fatal(err)
	}

	mustCount(t, set.Dir(), 20, 1000)

	inbox := filepath.Join(dir, "inbox")
	if err := set.Lend(inbox); err != nil {
		t.Fatal(err)
	}

	mustCount(t, inbox, 20, 1000)
	mustCount(t, set.Dir(), 0, 0)

	if err := os.Remove(filepath.Join(inbox, stage.Name(7))); err != nil {
		t.Fatal(err)
	}

	if err := set.TakeBack(inbox); err != nil {
		t.Fatal(err)
	}

	mustCount(t, set.Dir(), 20, 1000)
}

func TestStreamIsReclaimed(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	set, err := stage.NewSet(dir, 20, 10)
	if err != nil {
		t.Fatal(err)
	}

	inbox := filepath.Join(dir, "inbox")
	if err := os.Mkdir(inbox, 0o755); err != nil {
		t.Fatal(err)
	}

	before := stage.Clock()

	sent, err := set.Stream(t.Context(), inbox, 1000)
	if err != nil {
		t.Fatal(err)
	}

	mustCount(t, inbox, 20, 10)

	// File i is due i ms after the beginning, and not before.
	if last := sent[stage.Name(19)]; last-before < 19e6 {
		t.Errorf("sent within %d ns", last-before)
	}

	if err := os.WriteFile(filepath.Join(inbox, "probe-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := set.Reclaim(filepath.Join(dir, "done"), inbox); err != nil {
		t.Fatal(err)
	}

	mustCount(t, set.Dir(), 20, 10)
}

func TestSlowWritersFinish(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	sent, err := stage.Write(t.Context(), dir, 3, 1003)
	if err != nil || len(sent) != 3 {
		t.Fatal(sent, err)
	}

	mustCount(t, dir, 3, 1003)
}
