package app_test

import (
	"errors"
	"fmt"
	"testing"

	"importerd/internal/app"
	"importerd/internal/journal"

	"github.com/rs/zerolog"
)

// TestOnceEndsWithAPausedSpool: more files wait than the pool takes over.
func TestOnceEndsWithAPausedSpool(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")

	if err := start(t, app.Options{Once: true}, s).wait(); err != nil { // makes the journal
		t.Fatal(err)
	}

	j, err := journal.Open(journal.Options{
		Path: s.path(".importerd", "journal.db"), Boot: "boot", Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}

	if err := errors.Join(j.SetPaused(true), j.Close()); err != nil {
		t.Fatal(err)
	}

	var names []string

	for i := range 50 {
		names = append(names, fmt.Sprintf("%02d.csv", i))
		s.drop(names[i], "x")
	}

	if err := start(t, app.Options{Once: true}, s).wait(); !errors.Is(err, app.ErrUnfinished) {
		t.Errorf("ended with %v, want %v", err, app.ErrUnfinished)
	}

	s.wants("inbox", names...)
	s.wants("done")
}
