package spool_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"importerd/internal/job"
)

func TestMoveToATakenNameAddsTheID(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()
	drop(t, s, job.DoneFolder, "a.csv", "old")
	drop(t, s, job.ProcessingFolder, "a.csv", "new")

	got, err := s.Move(job.Move{
		From: job.ProcessingFolder, File: "a.csv", To: job.DoneFolder, Name: "a.csv", ID: id,
	})
	if want := job.WithID("a.csv", id); err != nil || got != want {
		t.Fatalf("move: %q, %v; want %q", got, err, want)
	}

	holds(t, s.Path(job.DoneFolder, "a.csv"), "old")
	holds(t, s.Path(job.DoneFolder, got), "new")

	drop(t, s, job.ProcessingFolder, "a.csv", "newer")

	_, err = s.Move(job.Move{From: job.ProcessingFolder, File: "a.csv", To: job.DoneFolder, Name: "a.csv", ID: id})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("move, both names taken: %v", err)
	}

	holds(t, s.Path(job.DoneFolder, got), "new")
	holds(t, s.Path(job.ProcessingFolder, "a.csv"), "newer")
}

func TestMoveOfNothing(t *testing.T) {
	t.Parallel()

	s := open(t)
	drop(t, s, job.DoneFolder, "a.csv", "old")

	_, err := s.Move(job.Move{
		From: job.ProcessingFolder, File: "a.csv", To: job.DoneFolder, Name: "a.csv", ID: job.NewID(),
	})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("move: %v, want that it is not there", err)
	}
}

func TestNothingGoesBackToTheInbox(t *testing.T) {
	t.Parallel()

	s := open(t)
	drop(t, s, job.ProcessingFolder, "a.csv", "one")

	_, err := s.Move(job.Move{
		From: job.ProcessingFolder, File: "a.csv", To: job.InboxFolder, Name: "a.csv", ID: job.NewID(),
	})
	if !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("move: %v, want a refusal", err)
	}

	holds(t, s.Path(job.ProcessingFolder, "a.csv"), "one")
}

// Plain rename of a file onto another link to it succeeds and leaves both. Here
// the two are two files, and each keeps a name.
func TestHardLinksAreNeverRemoved(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()
	drop(t, s, job.ProcessingFolder, "a.csv", "one")
	check(t, os.Link(s.Path(job.ProcessingFolder, "a.csv"), s.Path(job.DoneFolder, "a.csv")))

	got, err := s.Move(job.Move{From: job.ProcessingFolder, File: "a.csv", To: job.DoneFolder, Name: "a.csv", ID: id})
	if err != nil || got != job.WithID("a.csv", id) {
		t.Fatalf("move: %q, %v", got, err)
	}

	if names := list(t, s.Path(job.DoneFolder, "")); len(names) != 2 {
		t.Errorf("done/ holds %q", names)
	}

	empty(t, s, job.ProcessingFolder)

	f := dropped(t, s, "b.csv", "two")
	check(t, os.Link(s.Path(job.InboxFolder, "b.csv"), s.Path(job.ProcessingFolder, "b.csv")))

	f, err = s.Stat(job.InboxFolder, f.Name) // its ctime is that of the link
	check(t, err)

	if _, err := s.Claim(f); !errors.Is(err, fs.ErrExist) {
		t.Errorf("claim onto another link: %v", err)
	}

	holds(t, s.Path(job.InboxFolder, "b.csv"), "two")
}

// Whatever is moved in whatever order: nothing is replaced, nothing is lost,
// and no name is too long.
func TestMoveKeepsEveryFile(t *testing.T) {
	t.Parallel()

	s := open(t)
	round := 0

	rapid.Check(t, func(r *rapid.T) {
		round++

		name := rapid.SampledFrom([]string{
			"a.csv", "a", ".a", "a.b.c", "b\xff.csv", strings.Repeat("n", 255), strings.Repeat("é", 120) + ".csv.gz",
			"x." + strings.Repeat("e", 253), strings.Repeat(".", 200),
		})
		ids := []job.ID{job.NewID(), job.NewID(), job.NewID()}
		want := map[string]string{}

		for i := range rapid.IntRange(1, 12).Draw(r, "files") {
			n, id := name.Draw(r, "name"), rapid.SampledFrom(ids).Draw(r, "id")
			text := fmt.Sprint(round, " ", i)
			drop(t, s, job.ProcessingFolder, "f", text)

			got, err := s.Move(job.Move{From: job.ProcessingFolder, File: "f", To: job.DoneFolder, Name: n, ID: id})

			switch {
			case errors.Is(err, fs.ErrExist):
				holds(t, s.Path(job.ProcessingFolder, "f"), text)
			case err != nil:
				r.Fatal(err)
			case got != n && got != job.WithID(n, id) || len(got) > job.MaxName || want[got] != "":
				r.Fatalf("%q became %q", n, got)
			default:
				want[got] = text
			}
		}

		for n, text := range want {
			holds(t, s.Path(job.DoneFolder, n), text)
			check(t, os.Remove(s.Path(job.DoneFolder, n)))
		}

		empty(t, s, job.DoneFolder)
		_ = os.Remove(s.Path(job.ProcessingFolder, "f")) // where both names were taken
	})
}

func TestNamesFitFileSystemsWithShortOnes(t *testing.T) {
	t.Parallel()

	s := open(t)
	s.AllowNames(143) // as eCryptfs

	rapid.Check(t, func(r *rapid.T) {
		long := func(label string) string {
			return strings.Repeat(rapid.SampledFrom([]string{"", "x", "é", "語", ".", "a.b"}).Draw(r, label),
				rapid.IntRange(0, 80).Draw(r, label+" times"))
		}
		name := "n" + long("stem") + long("middle")
		name += "." + long("extension")
		name = strings.ToValidUTF8(name[:min(len(name), job.MaxName)], "")
		id := job.NewID()
		got := s.WithID(name, id)

		switch {
		case len(got) > 143:
			r.Errorf("%q has %d bytes", got, len(got))
		case !strings.Contains(got, "."+id.String()):
			r.Errorf("%q has lost the id", got)
		case utf8.ValidString(name) && !utf8.ValidString(got):
			r.Errorf("%q is no UTF-8, %q was", got, name)
		case len(job.WithID(name, id)) <= 143 && got != job.WithID(name, id):
			r.Errorf("%q was cut without need", got)
		}

		if note := s.NoteName(name); len(note) > 143 || !strings.HasSuffix(note, ".txt") {
			r.Errorf("the note is called %q", note)
		}
	})
}

func TestSetAside(t *testing.T) {
	t.Parallel()

	s := open(t)
	here := s.Path(job.ProcessingFolder, "x")
	seen := []string{}

	for _, spoil := range []func() error{
		func() error { return os.Mkdir(here, 0o700) },
		func() error { return unix.Mkfifo(here, 0o600) },
		func() error { return os.Symlink("/etc/passwd", here) },
	} {
		check(t, spoil())

		path, err := s.SetAside("x")
		if err != nil || slices.Contains(seen, path) || filepath.Dir(path) != s.Path(job.OwnFolder, "work/aside") {
			t.Errorf("set aside: %q, %v", path, err)
		}

		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}

		seen = append(seen, path)
	}

	empty(t, s, job.ProcessingFolder)
}

func TestRemoveIsForErrorsOnly(t *testing.T) {
	t.Parallel()

	s := open(t)
	drop(t, s, job.ErrorsFolder, "a.csv.txt", "why")
	drop(t, s, job.FailedFolder, "a.csv", "one")

	check(t, s.Remove(job.ErrorsFolder, "a.csv.txt"))
	empty(t, s, job.ErrorsFolder)

	if err := s.Remove(job.ErrorsFolder, "a.csv.txt"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("again: %v", err)
	}

	if err := s.Remove(job.FailedFolder, "a.csv"); err == nil {
		t.Error("a file in failed/ was removed")
	}

	holds(t, s.Path(job.FailedFolder, "a.csv"), "one")
}
