package job_test

import (
	"testing"
	"time"

	"importerd/internal/job"
)

func TestID(t *testing.T) {
	t.Parallel()

	id := job.NewID()

	text, err := id.MarshalText()
	if err != nil {
		t.Fatal(err)
	}

	var read job.ID
	if err := read.UnmarshalText(text); err != nil || read != id {
		t.Errorf("%s is read as %s, %v", text, read, err)
	}

	for _, wrong := range []string{"", "x", id.String() + "0", "{" + id.String() + "}", "urn:uuid:" + id.String()} {
		if _, err := job.ParseID(wrong); err == nil {
			t.Errorf("%q is taken for an id", wrong)
		}
	}

	if (job.ID{}).IsZero() == id.IsZero() {
		t.Error("a new id is zero")
	}
}

// TestStates walks the whole table of moves.
func TestStates(t *testing.T) {
	t.Parallel()

	all := []job.State{
		job.Processing, job.Committing, job.Deferred, job.Paused, job.Done, job.Failed, job.Terminated,
	}
	want := map[job.State]string{ // one letter for each of all: may it follow?
		job.Processing: ".xxxxxx",
		job.Committing: "..x.xxx",
		job.Deferred:   "x..x.xx",
		job.Paused:     "x.x..xx",
		job.Done:       ".......",
		job.Failed:     "..x....",
		job.Terminated: "..x....",
	}

	for _, from := range all {
		got := ""

		for _, to := range all {
			if from.May(to) {
				got += "x"
			} else {
				got += "."
			}
		}

		if got != want[from] {
			t.Errorf("after %s may follow %s, want %s", from, got, want[from])
		}

		if ended := from == job.Done || from == job.Failed || from == job.Terminated; from.Ended() != ended {
			t.Errorf("%s has ended: %t", from, from.Ended())
		}
	}

	for state, folder := range map[job.State]job.Folder{
		job.Processing: job.ProcessingFolder, job.Committing: job.ProcessingFolder, job.Deferred: job.DeferredFolder,
		job.Paused: job.DeferredFolder, job.Done: job.DoneFolder, job.Failed: job.FailedFolder,
		job.Terminated: job.FailedFolder,
	} {
		if state.Folder() != folder {
			t.Errorf("%s lies in %s, want %s", state, state.Folder(), folder)
		}
	}
}

func TestFileComparisons(t *testing.T) {
	t.Parallel()

	now := time.Now()
	f := job.File{Dev: 1, Ino: 2, Size: 3, Mtime: now, Ctime: now}
	renamed, written, other := f, f, f
	renamed.Ctime, written.Mtime, other.Ino = now.Add(1), now.Add(1), 4

	for _, c := range []struct {
		what                   string
		g                      job.File
		same, untouched, quiet bool
	}{
		{"itself", f, true, true, true},
		{"renamed", renamed, true, true, false},
		{"written", written, true, false, false},
		{"another", other, false, false, false},
	} {
		if f.Same(c.g) != c.same || f.Untouched(c.g) != c.untouched || f.Quiet(c.g) != c.quiet {
			t.Errorf("%s: same %t, untouched %t, quiet %t", c.what, f.Same(c.g), f.Untouched(c.g), f.Quiet(c.g))
		}
	}
}
