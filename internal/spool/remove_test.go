package spool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// stat is Stat of what must be there, of whatever type.
func stat(t *testing.T, s *spool.Spool, folder job.Folder, name string) job.File {
	t.Helper()

	f, err := s.Stat(folder, name)
	if err != nil && !errors.Is(err, job.ErrNotRegular) {
		t.Fatal(err)
	}

	return f
}

func TestRemoveFile(t *testing.T) {
	t.Parallel()

	s := open(t)

	for _, folder := range []job.Folder{job.DoneFolder, job.FailedFolder} {
		drop(t, s, folder, "a", "x")
		f := stat(t, s, folder, "a")
		check(t, s.RemoveFile(folder, f))
		empty(t, s, folder)

		if err := s.RemoveFile(folder, f); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("again: %v", err)
		}
	}

	for _, folder := range []job.Folder{job.InboxFolder, job.ProcessingFolder, job.DeferredFolder, job.OwnFolder} {
		drop(t, s, folder, "a", "x")

		if err := s.RemoveFile(folder, stat(t, s, folder, "a")); err == nil {
			t.Errorf("removed a file from %s/", folder)
		}

		holds(t, s.Path(folder, "a"), "x")
	}
}

func TestRemoveFileOnlyIfNothingHasHappened(t *testing.T) {
	t.Parallel()

	for name, change := range map[string]func(path string) error{
		"written": func(path string) error { return os.WriteFile(path, []byte("y"), 0o600) },
		"mode":    func(path string) error { return os.Chmod(path, 0o644) },
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", []byte("x"), 0o600), os.Rename(path+"2", path))
		},
		"moved away and back": func(path string) error {
			return errors.Join(os.Rename(path, path+"2"), os.Rename(path+"2", path))
		},
		"directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"link": func(path string) error {
			return errors.Join(os.Rename(path, path+"2"), os.Symlink(path+"2", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := open(t)
			drop(t, s, job.DoneFolder, "a", "x")
			f := stat(t, s, job.DoneFolder, "a")

			// The kernel's clock for files has steps of a few milliseconds.
			for deadline := time.Now().Add(time.Minute); ; {
				check(t, change(s.Path(job.DoneFolder, "a")))

				if now := stat(t, s, job.DoneFolder, "a"); !now.Ctime.Equal(f.Ctime) || time.Now().After(deadline) {
					break
				}

				check(t, os.RemoveAll(s.Path(job.DoneFolder, "a")))
				drop(t, s, job.DoneFolder, "a", "x")
				f = stat(t, s, job.DoneFolder, "a")
			}

			err := s.RemoveFile(job.DoneFolder, f)
			if !errors.Is(err, job.ErrOther) && !errors.Is(err, job.ErrNotRegular) {
				t.Errorf("got %v", err)
			}

			stat(t, s, job.DoneFolder, "a")
		})
	}
}

func TestRemoveFileThatIsImmutable(t *testing.T) {
	t.Parallel()

	s := open(t)
	drop(t, s, job.DoneFolder, "a", "x")

	file, err := os.Open(s.Path(job.DoneFolder, "a"))
	check(t, err)

	defer file.Close()

	const immutable = 0x10
	if err := unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, immutable); err != nil {
		t.Skip("needs a file system with immutable files: " + err.Error())
	}

	defer func() { check(t, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, 0)) }()

	if err := s.RemoveFile(job.DoneFolder, stat(t, s, job.DoneFolder, "a")); !errors.Is(err, job.ErrDisk) {
		t.Errorf("got %v, want %v", err, job.ErrDisk)
	}
}

// published makes a tree in results/ and returns what Stat says of it.
func published(t *testing.T, s *spool.Spool, name string) job.File {
	t.Helper()

	for _, path := range []string{"a/b/c", "a/d", "e"} {
		path = s.Path(job.ResultsFolder, name) + "/" + path
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		write(t, path, "x")
	}

	return stat(t, s, job.ResultsFolder, name)
}

func TestRemoveResults(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()
	f := published(t, s, "a.csv")
	outside := t.TempDir()
	write(t, outside+"/precious", "x")
	write(t, s.Path(job.ResultsFolder, "other"), "x")

	for link, to := range map[string]string{"out": outside, "up": "../..", "file": outside + "/precious", "none": "none"} {
		check(t, os.Symlink(to, s.Path(job.ResultsFolder, "a.csv")+"/a/"+link))
	}

	check(t, unix.Mkfifo(s.Path(job.ResultsFolder, "a.csv")+"/pipe", 0o600))

	for i := range 1000 { // more than a piece
		write(t, fmt.Sprintf("%s/a/b/%d", s.Path(job.ResultsFolder, "a.csv"), i), "")
	}

	check(t, s.RemoveResults(t.Context(), id, stat(t, s, job.ResultsFolder, "a.csv")))

	if got := list(t, s.Path(job.ResultsFolder, "")); len(got) != 1 {
		t.Errorf("results/ holds %q", got)
	}

	if _, err := os.Lstat(s.Path(job.OwnFolder, "work") + "/" + id.String()); err == nil {
		t.Error("something is left in work/")
	}

	holds(t, outside+"/precious", "x")

	if err := s.RemoveResults(t.Context(), id, f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("again: %v", err)
	}
}

func TestRemoveResultsThatNobodyMayWrite(t *testing.T) {
	t.Parallel()

	dir := public(t)
	check(t, os.Chown(dir, someone, someone))
	asUser(t, someone, func() {
		s := openAt(t, dir)
		f := published(t, s, "a")

		for _, path := range []string{"/a/b", "/a", ""} {
			check(t, os.Chmod(s.Path(job.ResultsFolder, "a")+path, 0))
		}

		check(t, s.RemoveResults(t.Context(), job.NewID(), f))
		empty(t, s, job.ResultsFolder)
	})
}

func TestRemoveResultsOnlyOfThatDirectory(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := published(t, s, "a")
	check(t, os.Rename(s.Path(job.ResultsFolder, "a"), s.Path(job.ResultsFolder, "b")))
	published(t, s, "a")

	if err := s.RemoveResults(t.Context(), job.NewID(), f); !errors.Is(err, job.ErrOther) {
		t.Errorf("another directory: %v", err)
	}

	holds(t, s.Path(job.ResultsFolder, "a")+"/e", "x")
	check(t, os.RemoveAll(s.Path(job.ResultsFolder, "a")))
	check(t, os.Symlink("b", s.Path(job.ResultsFolder, "a")))

	for _, f := range []job.File{f, stat(t, s, job.ResultsFolder, "a")} {
		if err := s.RemoveResults(t.Context(), job.NewID(), f); !errors.Is(err, job.ErrOther) {
			t.Errorf("a link: %v", err)
		}
	}

	holds(t, s.Path(job.ResultsFolder, "a")+"/e", "x")
}

func TestRemoveResultsGoesOn(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()
	f := published(t, s, "a")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := s.RemoveResults(ctx, id, f); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}

	holds(t, s.Path(job.ResultsFolder, "a")+"/e", "x")

	left := s.Path(job.OwnFolder, "work") + "/" + id.String()
	check(t, os.MkdirAll(left+"/half", 0o700)) // by a crash
	check(t, s.RemoveResults(t.Context(), id, job.File{}))

	if _, err := os.Lstat(left); err == nil {
		t.Error("something is left in work/")
	}

	holds(t, s.Path(job.ResultsFolder, "a")+"/e", "x")
	check(t, os.MkdirAll(left+"/half", 0o700))
	check(t, s.RemoveResults(t.Context(), id, f))
	empty(t, s, job.ResultsFolder)
}

func TestRemoveResultsDoesNotEnterMounts(t *testing.T) {
	t.Parallel()
	inNamespace(t, func() {
		s := open(t)
		f := published(t, s, "a")
		outside := t.TempDir()
		write(t, outside+"/precious", "x")

		// Of the same device, as a bind mount is.
		if err := unix.Mount(outside, s.Path(job.ResultsFolder, "a")+"/a/b", "", unix.MS_BIND, ""); err != nil {
			t.Skip("needs a bind mount: " + err.Error())
		}

		if err := s.RemoveResults(t.Context(), job.NewID(), f); !errors.Is(err, job.ErrDisk) {
			t.Errorf("got %v, want %v", err, job.ErrDisk)
		}

		holds(t, outside+"/precious", "x")
	})
}

func TestLogs(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()
	at := time.Unix(1e9, 5)

	if _, err := s.Log(id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no log: %v", err)
	}

	write(t, s.LogPath(id), "x")
	check(t, os.Chtimes(s.LogPath(id), at, at))

	logs := s.Path(job.OwnFolder, "logs")
	write(t, logs+"/README", "x")
	write(t, logs+"/"+id.String(), "x")
	write(t, logs+"/X"+job.NewID().String()+".log", "x")
	write(t, logs+"/"+strings.ToUpper(id.String())+".log", "x")
	check(t, os.Mkdir(s.LogPath(job.NewID()), 0o700))

	link := job.NewID()
	check(t, os.Symlink("README", s.LogPath(link)))

	seen := 0

	for log, err := range s.Logs() {
		check(t, err)

		seen++

		if log.Job != id || !log.Mtime.Equal(at) || log.Space%512 != 0 {
			t.Errorf("got %+v", log)
		}
	}

	if seen != 1 {
		t.Errorf("%d logs, want 1", seen)
	}

	if err := s.RemoveLog(link); !errors.Is(err, job.ErrNotRegular) {
		t.Errorf("a link: %v", err)
	}

	check(t, s.RemoveLog(id))

	if err := s.RemoveLog(id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("again: %v", err)
	}

	if got := list(t, logs); len(got) != 6 {
		t.Errorf("logs/ holds %q", got)
	}
}

func TestLogTakesTheSpaceOfItsBlocks(t *testing.T) {
	t.Parallel()

	s, id := open(t), job.NewID()
	check(t, os.WriteFile(s.LogPath(id), nil, 0o600))
	check(t, os.Truncate(s.LogPath(id), 1<<30)) // a hole

	if log, err := s.Log(id); err != nil || log.Space >= 1<<20 {
		t.Errorf("a hole takes %d bytes, %v", log.Space, err)
	}
}

func TestRemoveNote(t *testing.T) {
	t.Parallel()

	s := open(t)
	check(t, s.WriteNote("a", []byte("x")))
	check(t, s.RemoveNote("a"))
	empty(t, s, job.ErrorsFolder)

	if err := s.RemoveNote("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("again: %v", err)
	}
}
