package spool_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

func TestJoin(t *testing.T) {
	t.Parallel()

	for _, m := range []job.Move{
		{From: job.ProcessingFolder, To: job.DoneFolder},
		{From: job.ProcessingFolder, To: job.DeferredFolder},
		{From: job.DeferredFolder, To: job.ProcessingFolder},
		{From: job.FailedFolder, To: job.DeferredFolder},
		{From: job.InboxFolder, To: job.ProcessingFolder},
	} {
		m.File, m.Name, m.ID = "a.csv", "b.csv", job.NewID()

		for _, name := range []string{m.Name, job.WithID(m.Name, m.ID)} {
			s := open(t)
			drop(t, s, m.From, m.File, "one")
			check(t, os.Link(s.Path(m.From, m.File), s.Path(m.To, name)))

			if name != m.Name { // it was taken
				drop(t, s, m.To, m.Name, "other")
			}

			got, err := s.Join(m)
			if err != nil || got != name {
				t.Errorf("join %+v: %q, %v; want %q", m, got, err, name)
			}

			empty(t, s, m.From)
			holds(t, s.Path(m.To, name), "one")

			if names := list(t, s.Path(job.OwnFolder, "work/aside")); len(names) > 0 {
				t.Errorf("aside/ holds %q", names)
			}

			if _, err := s.Join(m); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("join again: %v", err)
			}
		}
	}
}

// Whatever is not surely one file stays.
func TestJoinWhatIsNotOne(t *testing.T) {
	t.Parallel()

	s := open(t)
	m := job.Move{From: job.ProcessingFolder, File: "a.csv", To: job.DoneFolder, Name: "a.csv", ID: job.NewID()}

	none := func(when string) {
		t.Helper()

		if name, err := s.Join(m); name != "" || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q, %v", when, name, err)
		}
	}

	none("neither is there")
	drop(t, s, m.To, m.Name, "same")
	none("it has moved")
	drop(t, s, m.From, m.File, "same")
	none("they are two files")
	check(t, os.Link(s.Path(m.From, m.File), s.Path(m.To, "c.csv"))) // a hard link of which the move knows nothing
	none("a hard link has another name")
	holds(t, s.Path(m.From, m.File), "same")
	holds(t, s.Path(m.To, m.Name), "same")
	holds(t, s.Path(m.To, "c.csv"), "same")

	check(t, os.Mkdir(s.Path(job.DeferredFolder, "dir"), 0o700))

	m.From, m.File = job.DeferredFolder, "dir"
	none("it is a directory")

	m.From, m.File, m.To, m.Name = job.ProcessingFolder, "a.csv", job.DeferredFolder, "dir"
	none("the other is a directory")

	m.Name = strings.Repeat("n", 300)
	none("the name is too long for a file")

	m.Name = ".."
	if _, err := s.Join(m); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a name that is none: %v", err)
	}
}

// Another file takes the name in the moment of its removal, or the other name
// goes away: nothing is removed.
func TestJoinIsOvertaken(t *testing.T) {
	t.Parallel()

	s := open(t)
	drop(t, s, job.ProcessingFolder, "a.csv", "one")

	f, err := s.Stat(job.ProcessingFolder, "a.csv")
	check(t, err)

	if err := s.DropDouble(job.ProcessingFolder, f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the last name of a file: %v", err)
	}

	holds(t, s.Path(job.ProcessingFolder, "a.csv"), "one")
	check(t, os.Link(s.Path(job.ProcessingFolder, "a.csv"), s.Path(job.DoneFolder, "a.csv")))
	check(t, os.Remove(s.Path(job.ProcessingFolder, "a.csv")))
	drop(t, s, job.ProcessingFolder, "a.csv", "two")
	check(t, os.Link(s.Path(job.ProcessingFolder, "a.csv"), s.Path(job.DoneFolder, "b.csv")))

	if err := s.DropDouble(job.ProcessingFolder, f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another file: %v", err)
	}

	holds(t, s.Path(job.ProcessingFolder, "a.csv"), "two")
	holds(t, s.Path(job.DoneFolder, "a.csv"), "one")
}

// What btrfs makes of a power cut after the new folder was flushed and before the
// old one was. The cut is a copy of the disk at that moment.
func TestJoinAfterAPowerCutOnBtrfs(t *testing.T) {
	t.Parallel()

	inNamespace(t, func() {
		file := makeImage(t, "btrfs", 200<<20)
		dir, cut := mountImage(t, file), file+"-cut"
		m := job.Move{From: job.ProcessingFolder, File: "a.csv", To: job.DoneFolder, Name: "a.csv", ID: job.NewID()}

		s := openAt(t, dir)
		drop(t, s, m.From, m.File, "one")
		syncAll(t, dir)

		_, err := s.Move(m)
		check(t, err)
		check(t, s.Sync(m.To))

		if out, err := exec.CommandContext(t.Context(), "cp", "--sparse=always", file, cut).CombinedOutput(); err != nil {
			t.Fatalf("cut: %v: %s", err, out)
		}

		shut(t, s)
		unmount(t, dir) // two with one identity cannot be mounted

		s = openAt(t, mountImage(t, cut))
		defer shut(t, s)

		holds(t, s.Path(m.To, m.Name), "one")

		if _, err := os.Lstat(filepath.Join(s.Path(m.From, ""), m.File)); err != nil {
			t.Skip("needs a btrfs that leaves the file in both folders: ", err)
		}

		name, err := s.Join(m)
		if err != nil || name != m.Name {
			t.Errorf("join: %q, %v", name, err)
		}

		check(t, s.Sync(m.From, m.To))
		empty(t, s, m.From)
		holds(t, s.Path(m.To, m.Name), "one")
	})
}

// syncAll flushes a whole file system.
func syncAll(t *testing.T, dir string) {
	t.Helper()

	d, err := os.Open(dir)
	check(t, err)

	defer d.Close()

	check(t, unix.Syncfs(int(d.Fd())))
}

// unmount unmounts when what another test is just starting has let go of it.
func unmount(t *testing.T, dir string) {
	t.Helper()

	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		err := unix.Unmount(dir, 0)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			check(t, err)

			return
		}
	}
}
