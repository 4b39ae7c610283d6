package journal_test

import (
	"testing"

	"importerd/internal/job"
)

func TestBehind(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())
	first, second, other := plain("a"), plain("a"), plain("b")
	must(t, j.Note(first, second, other))

	behind := func(want bool, what string) {
		t.Helper()

		if j.Behind(first.ID) || j.Behind(other.ID) || j.Behind(job.NewID()) {
			t.Errorf("%s: the first one is behind", what)
		}

		if got := j.Behind(second.ID); got != want {
			t.Errorf("%s: the second one is behind: %t", what, got)
		}
	}

	behind(true, "at first")

	first.State = job.Paused
	must(t, j.Note(first))
	behind(true, "the first one is paused")

	first.State = job.Failed
	first.Moving = &job.Move{From: job.ProcessingFolder, File: "a", To: job.FailedFolder, Name: "a", ID: first.ID}
	must(t, j.Note(first))
	behind(false, "the first one has failed")
}
