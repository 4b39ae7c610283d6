package journal_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// options returns options for a journal in dir; what is set aside gets ".aside"
// behind its name.
func options(dir string) journal.Options {
	return journal.Options{
		Path: filepath.Join(dir, "journal.db"), Boot: "boot-1", Log: zerolog.Nop(),
		SetAside: func(name string) (string, error) {
			return name + ".aside", os.Rename(filepath.Join(dir, name), filepath.Join(dir, name+".aside"))
		},
	}
}

func open(t testing.TB, dir string) *journal.Journal {
	t.Helper()

	j, err := journal.Open(options(dir))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { shut(t, j) })

	return j
}

func shut(t testing.TB, j *journal.Journal) {
	t.Helper()

	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// full returns a record with something in every field.
func full() job.Record {
	at := time.Now()
	id := job.NewID()

	return job.Record{
		ID: id, Spool: "orders", Name: "a\xff\n.csv", File: "a." + id.String() + ".csv", State: job.Deferred,
		Moving: &job.Move{From: job.ProcessingFolder, File: "a\xff\n.csv", To: job.DeferredFolder, Name: "x", ID: id},
		Seen: job.File{
			Name: "y", Dev: 1 << 63, Ino: 3, Size: 4, Mode: 0o640, UID: 1 << 31, Mtime: at, Ctime: at.Add(1), Btime: at.Add(-1),
		},
		Attempt: 2, Interruptions: 3, Crashes: 1, Busy: 4, Size: 1 << 40,
		CreatedAt: at, StartedAt: at.Add(1), FinishedAt: at.Add(2), DueAt: at.Add(3),
		Exit: &job.Exit{
			Code: -1, Signal: "SIGKILL", Err: errors.New("no such thing"), RetryAfter: time.Minute, Took: time.Hour,
			Tail: []byte("last\x00words\xff"), MaxMemory: 1 << 40, CPU: time.Minute,
		},
		Error: "why not", Results: "r\xfe", Checkpoint: "row 7", Changed: true,
	}
}

// plain returns a record of a job that has just begun.
func plain(name string) job.Record {
	at := time.Now()

	return job.Record{
		ID: job.NewID(), Spool: "orders", Name: name, File: name, State: job.Processing, Attempt: 1, Size: 1000,
		Seen:      job.File{Name: name, Dev: 64512, Ino: 123456, Size: 1000, Mode: 0o644, Mtime: at, Ctime: at, Btime: at},
		CreatedAt: at, StartedAt: at,
	}
}

// ended returns rec as it is when all is over.
func ended(rec job.Record, state job.State) job.Record {
	rec.State, rec.FinishedAt = state, time.Now()
	rec.Exit = &job.Exit{Took: time.Millisecond}

	return rec
}

// differ says how two records differ; empty: they do not.
func differ(got, want job.Record) string {
	a, b := show(got), show(want)
	if a == b {
		return ""
	}

	return fmt.Sprintf("got  %s\nwant %s", a, b)
}

func show(rec job.Record) string {
	times := []*time.Time{
		&rec.CreatedAt, &rec.StartedAt, &rec.FinishedAt, &rec.DueAt, &rec.Seen.Mtime, &rec.Seen.Ctime, &rec.Seen.Btime,
	}
	for _, at := range times {
		if !at.IsZero() {
			*at = at.Round(0).UTC()
		}
	}

	var (
		exit job.Exit
		move job.Move
		why  any
	)

	if rec.Exit != nil {
		exit = *rec.Exit
		if exit.Err != nil {
			why, exit.Err = exit.Err.Error(), nil
		}
	}

	if rec.Moving != nil {
		move = *rec.Moving
	}

	hasExit, hasMove := rec.Exit != nil, rec.Moving != nil
	rec.Exit, rec.Moving = nil, nil

	return fmt.Sprintf("%q exit %v %q %q move %v %q", fmt.Sprintf("%+v", rec), hasExit, fmt.Sprintf("%+v", exit), why,
		hasMove, fmt.Sprintf("%+v", move))
}

// raw opens the database beside the journal.
func raw(t testing.TB, dir string) *sql.DB {
	t.Helper()

	db, err := sql.Open("sqlite", filepath.Join(dir, "journal.db"))
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { must(t, db.Close()) })

	return db
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()

	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()

	deadline := time.After(time.Minute)

	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

func ids(list []journal.Entry) []job.ID {
	got := make([]job.ID, 0, len(list))
	for _, e := range list {
		got = append(got, e.ID)
	}

	return got
}
