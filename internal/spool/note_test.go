package spool_test

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"importerd/internal/job"
)

func TestNotesAreReplacedWhole(t *testing.T) {
	t.Parallel()

	s := open(t)

	for _, name := range oddNames() {
		for _, text := range []string{"a long reason\n", "short\n"} {
			check(t, s.WriteNote(name, []byte(text)))
			holds(t, s.Path(job.ErrorsFolder, s.NoteName(name)), text)
		}
	}

	if names := list(t, s.Path(job.ErrorsFolder, "")); len(names) != len(oddNames()) {
		t.Errorf("errors/ holds %q", names)
	}

	info, err := os.Stat(s.Path(job.ErrorsFolder, "a.csv.txt"))
	if err != nil || info.Mode().Perm()&0o400 == 0 || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("the note has %v, %v", info.Mode(), err)
	}
}

// A reader of a note that is written again and again sees one text or the other.
func TestReadersSeeNoPartOfANote(t *testing.T) {
	t.Parallel()

	const rounds = 200

	s := open(t)
	texts := []string{strings.Repeat("a", 10_000), strings.Repeat("b", 100)}
	check(t, s.WriteNote("x", []byte(texts[0])))

	done := make(chan struct{})

	go func() {
		defer close(done)

		for i := range rounds {
			if err := s.WriteNote("x", []byte(texts[i%2])); err != nil {
				t.Error(err)
			}
		}
	}()

	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}

		text, err := os.ReadFile(s.Path(job.ErrorsFolder, "x.txt"))
		if err != nil || !slices.Contains(texts, string(text)) {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
	}
}

func TestNotesOfManyWriters(t *testing.T) {
	t.Parallel()

	const writers, rounds = 4, 50

	s := open(t)

	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			name := strconv.Itoa(i)
			for range rounds {
				if err := s.WriteNote(name, []byte(name)); err != nil {
					t.Error(err)
				}

				holds(t, s.Path(job.ErrorsFolder, name+".txt"), name)
			}
		})
	}

	all.Wait()
}

func TestLongNamesHaveNotesOfTheirOwn(t *testing.T) {
	t.Parallel()

	s := open(t)
	a, b := s.NoteName(strings.Repeat("x", 254)+"a"), s.NoteName(strings.Repeat("x", 254)+"b")

	if a == b || len(a) > job.MaxName || !strings.HasSuffix(a, ".txt") {
		t.Errorf("two files have the notes %q and %q", a, b)
	}
}

func TestNoteOnAFullDisk(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	inNamespace(t, func() {
		mount(t, dir, "tmpfs", 0, "size=64k")

		s := openAt(t, dir)
		defer shut(t, s)

		check(t, s.WriteNote("x", []byte("old")))

		if err := s.WriteNote("x", make([]byte, 1<<20)); !errors.Is(err, job.ErrDisk) {
			t.Errorf("write: %v, want that the disk refuses", err)
		}

		holds(t, s.Path(job.ErrorsFolder, "x.txt"), "old")

		if names := list(t, s.Path(job.ErrorsFolder, "")); len(names) != 1 {
			t.Errorf("errors/ holds %q", names)
		}
	})
}
