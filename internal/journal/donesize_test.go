package journal_test

import (
	"testing"

	"importerd/internal/job"
)

func TestDoneSize(t *testing.T) {
	t.Parallel()

	j := open(t, t.TempDir())

	size := func(want int64) {
		t.Helper()

		if got, err := j.DoneSize(); err != nil || got != want {
			t.Errorf("%d bytes, %v; want %d", got, err, want)
		}
	}

	size(0)

	done, failed, gone := ended(plain("a"), job.Done), ended(plain("b"), job.Failed), ended(plain("c"), job.Done)
	done.Size, failed.Size, gone.Size = 1<<40, 10, 100
	gone.File = ""

	must(t, j.Commit(done, failed, gone, plain("d")))
	size(1 << 40)

	must(t, j.Remove(done.ID))
	size(0)
}
