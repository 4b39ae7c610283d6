package app

import (
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"

	"github.com/rs/zerolog"
)

func TestHistory(t *testing.T) {
	t.Parallel()

	j, err := journal.Open(journal.Options{
		Path: t.TempDir() + "/journal.db", Boot: "boot", Log: zerolog.Nop(),
		SetAside: func(string) (string, error) { return "", errors.New("damaged") },
	})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = j.Close() })

	h, now := history{j}, time.Now()
	add := func(name string, state job.State, ago time.Duration) job.Record {
		rec := job.Record{ID: job.NewID(), Name: name, File: name, State: state, CreatedAt: now.Add(-ago)}
		if state.Ended() {
			rec.FinishedAt = rec.CreatedAt
		}

		if err := j.Commit(rec); err != nil {
			t.Fatal(err)
		}

		return rec
	}

	old, young := add("a", job.Done, time.Hour), add("a", job.Done, time.Minute)
	add("b", job.Done, 0)

	lasting := []job.ID{
		add("a", job.Deferred, time.Hour).ID, add("a", job.Failed, 0).ID, add("a", job.Terminated, time.Hour).ID,
	}

	moving := add("c", job.Failed, 0)
	moving.Moving = &job.Move{From: job.ProcessingFolder, File: "c", To: job.FailedFolder, Name: "c", ID: moving.ID}

	if err := j.Commit(moving); err != nil {
		t.Fatal(err)
	}

	recs, err := h.Ended(job.Done, now.Add(-time.Minute/2), 9)
	if err != nil || len(recs) != 2 || recs[0].ID != old.ID || recs[1].ID != young.ID {
		t.Errorf("ended: %v, %v", recs, err)
	}

	var later []job.ID

	for rec, err := range h.Later(job.Done, now.Add(-time.Minute), map[string]bool{"a": true, "x": true}) {
		if err != nil {
			t.Fatal(err)
		}

		later = append(later, rec.ID)
	}

	if !slices.Equal(later, []job.ID{young.ID}) {
		t.Errorf("later: %v, want %v", later, young.ID)
	}

	var got []job.ID

	for id, err := range h.Lasting() {
		if err != nil {
			t.Fatal(err)
		}

		got = append(got, id)
	}

	if want := append([]job.ID{lasting[0], moving.ID}, lasting[1:]...); !slices.Equal(got, want) {
		t.Errorf("lasting: %v, want %v", got, want)
	}

	if state, err := h.State(old.ID); state != job.Done || err != nil {
		t.Errorf("state: %v, %v", state, err)
	}

	if _, err := h.State(job.NewID()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("state of no job: %v", err)
	}
}
