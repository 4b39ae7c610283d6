package spool_test

import (
	"os"
	"path/filepath"
	"testing"

	"importerd/internal/job"
)

func TestFileGoesThroughTheFolders(t *testing.T) {
	t.Parallel()

	s := open(t)
	drop(t, s, job.InboxFolder, "a.csv", "one")

	f, err := settled(t, s, job.InboxFolder, "a.csv")
	if err != nil {
		t.Fatal(err)
	}

	if err := s.Flush(job.InboxFolder, f); err != nil {
		t.Fatal(err)
	}

	got, err := s.Claim(f)
	if err != nil || !got.Untouched(f) {
		t.Fatalf("claim: %+v, %v; want %+v", got, err, f)
	}

	name, err := s.Move(job.Move{
		From: job.ProcessingFolder, File: "a.csv", To: job.DoneFolder, Name: "a.csv", ID: job.NewID(),
	})
	if err != nil || name != "a.csv" {
		t.Fatalf("move: %q, %v", name, err)
	}

	if err := s.Sync(job.ProcessingFolder, job.DoneFolder); err != nil {
		t.Fatal(err)
	}

	text, err := os.ReadFile(filepath.Join(s.Dir(), "done", "a.csv"))
	if err != nil || string(text) != "one" {
		t.Fatalf("done/a.csv: %q, %v", text, err)
	}
}
