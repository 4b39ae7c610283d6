package spool_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

func TestResultsArePublishedWhole(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()

	dir, err := s.MakeResults(id)
	check(t, err)
	check(t, os.MkdirAll(filepath.Join(dir, "sub", "bad\xff"), 0o700))
	write(t, filepath.Join(dir, "sub", "bad\xff", "a.txt"), "one")
	check(t, os.Symlink("/etc/passwd", filepath.Join(dir, "link")))
	check(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600))

	var flushed []string

	s.OnFlush(func(fd int) error {
		path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		flushed = append(flushed, path)

		return errors.Join(err, unix.Fsync(fd))
	})

	check(t, s.FlushResults(id))

	want := []string{dir + "/sub/bad\xff/a.txt", dir + "/sub/bad\xff", dir + "/sub", dir}
	if !slices.Equal(flushed, want) {
		t.Errorf("flushed %q, want %q", flushed, want)
	}

	name, err := s.PublishResults(id, "a.csv")
	if err != nil || name != "a.csv" {
		t.Fatalf("publish: %q, %v", name, err)
	}

	holds(t, s.Path(job.ResultsFolder, "a.csv/sub/bad\xff/a.txt"), "one")

	if target, err := os.Readlink(s.Path(job.ResultsFolder, "a.csv/link")); err != nil || target != "/etc/passwd" {
		t.Errorf("the link is %q, %v", target, err)
	}

	if _, err := s.PublishResults(id, "a.csv"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("publish again: %v, want that there is nothing", err)
	}
}

func TestResultsReplaceNothing(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()
	check(t, os.Mkdir(s.Path(job.ResultsFolder, "a.csv"), 0o700)) // empty: plain rename would replace it

	_, err := s.MakeResults(id)
	check(t, err)
	check(t, s.FlushResults(id))

	if name, err := s.PublishResults(id, "a.csv"); err != nil || name != job.WithID("a.csv", id) {
		t.Errorf("publish: %q, %v", name, err)
	}

	if names := list(t, s.Path(job.ResultsFolder, "")); len(names) != 2 {
		t.Errorf("results/ holds %q", names)
	}
}

func TestResultsBeginEmpty(t *testing.T) {
	t.Parallel()

	dir := public(t)
	if os.Geteuid() == 0 {
		check(t, os.Chown(dir, someone, someone))
	}

	begin := func() {
		s, err := spool.Open(dir, spool.Options{})
		if err != nil {
			t.Error(err)

			return
		}
		defer shut(t, s)

		id := job.NewID()

		path, err := s.MakeResults(id)
		check(t, err)

		// What a handler may leave that a plain removal stumbles over.
		check(t, os.MkdirAll(filepath.Join(path, "shut", "in"), 0o700))
		write(t, filepath.Join(path, "shut", "in", "a"), "one")
		check(t, os.Symlink(s.Path(job.DoneFolder, ""), filepath.Join(path, "link")))
		check(t, os.Chmod(filepath.Join(path, "shut", "in"), 0))
		check(t, os.Chmod(filepath.Join(path, "shut"), 0o500))
		drop(t, s, job.DoneFolder, "a.csv", "old")

		path, err = s.MakeResults(id)
		if err != nil {
			t.Errorf("make again: %v", err)

			return
		}

		if names := list(t, path); len(names) > 0 {
			t.Errorf("it holds %q", names)
		}

		holds(t, s.Path(job.DoneFolder, "a.csv"), "old")

		// Unreadable files are flushed and an unwritable directory is moved all the same.
		write(t, filepath.Join(path, "unreadable"), "one")
		check(t, os.Chmod(filepath.Join(path, "unreadable"), 0))
		check(t, os.Chmod(path, 0o500))
		check(t, s.FlushResults(id))

		if _, err := s.PublishResults(id, "a.csv"); err != nil {
			t.Errorf("publish: %v", err)
		}

		check(t, s.DropResults(id))
	}

	if os.Geteuid() == 0 {
		asUser(t, someone, begin)
	} else {
		begin()
	}
}

func TestResultsThatAreNoDirectory(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()

	dir, err := s.MakeResults(id)
	check(t, err)
	check(t, os.Remove(dir))

	if err := s.FlushResults(id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("flush of nothing: %v", err)
	}

	check(t, os.Symlink(s.Path(job.DoneFolder, ""), dir))

	if err := s.FlushResults(id); !errors.Is(err, job.ErrNotRegular) {
		t.Errorf("flush of a link: %v", err)
	}

	if _, err := s.PublishResults(id, "a.csv"); !errors.Is(err, job.ErrNotRegular) {
		t.Errorf("publish of a link: %v", err)
	}

	check(t, s.DropResults(id))
	check(t, s.DropResults(id))

	if _, err := os.Stat(s.Path(job.DoneFolder, "")); err != nil {
		t.Error(err)
	}
}

func TestLostResultsAreTold(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()

	dir, err := s.MakeResults(id)
	check(t, err)
	write(t, filepath.Join(dir, "a"), "one")

	s.OnFlush(func(int) error { return unix.ENOSPC })

	if err := s.FlushResults(id); !errors.Is(err, job.ErrDisk) || errors.Is(err, job.ErrUntrusted) {
		t.Errorf("flush: %v, want that the disk refuses", err)
	}

	check(t, os.Remove(filepath.Join(dir, "a")))

	if err := s.FlushResults(id); !errors.Is(err, job.ErrUntrusted) {
		t.Errorf("flush of a directory: %v, want that the disk cannot be trusted", err)
	}
}
