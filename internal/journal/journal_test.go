package journal_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"importerd/internal/job"
)

func TestRecordIsStoredWhole(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)

	for _, rec := range []job.Record{full(), plain("b"), {ID: job.NewID(), State: job.Done}} {
		must(t, j.Commit(rec))

		e, err := j.Get(rec.ID)
		must(t, err)

		if d := differ(e.Record, rec); d != "" {
			t.Error(d)
		}
	}
}

func TestGetOfNoJob(t *testing.T) {
	t.Parallel()

	if _, err := open(t, t.TempDir()).Get(job.NewID()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
}

func TestReopenedJournalKnowsAll(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	j := open(t, dir)

	if !j.Fresh() {
		t.Error("a new journal is not fresh")
	}

	a, b, c := plain("a"), plain("b"), plain("c")
	must(t, j.MarkStarted())
	must(t, j.Note(a, b, c))

	b.State, b.DueAt = job.Deferred, time.Now().Add(time.Hour)
	must(t, j.Note(b))
	must(t, j.Commit(ended(c, job.Done)))
	must(t, j.MarkClean())
	must(t, j.Close())

	j = open(t, dir)
	last, clean := j.Boot()

	if j.Fresh() || last != "boot-1" || !clean {
		t.Errorf("fresh %v, boot %q, clean %v; want false, boot-1, true", j.Fresh(), last, clean)
	}

	if !j.UnderWay("a") || !j.UnderWay("b") || j.UnderWay("c") {
		t.Error("wrong names are under way")
	}

	counts := j.Counts()
	if counts[job.Processing] != 1 || counts[job.Deferred] != 1 || counts[job.Done] != 1 || j.Shown(job.Deferred) != 1 {
		t.Errorf("wrong counts: %v", counts)
	}
}
