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

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// trace tells of all below dir what a change would change.
func trace(t *testing.T, dir string) string {
	t.Helper()

	var b strings.Builder

	check(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var stat unix.Stat_t

		err = errors.Join(err, unix.Lstat(path, &stat))
		fmt.Fprintln(&b, path, stat.Ino, stat.Mode, stat.Nlink, stat.Size, stat.Mtim, stat.Ctim)

		return err
	}))

	return b.String()
}

func TestInspectChangesNothing(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	s := openAt(t, dir)
	living, ended := job.NewID(), job.NewID()

	lock, err := s.LockJob(living, "a\xff")
	check(t, err)

	defer lock.Close()

	_, err = s.MakeResults(ended)
	check(t, err)
	shut(t, s)

	write(t, filepath.Join(dir, ".importerd/locks", ended.String()), "")
	write(t, filepath.Join(dir, ".importerd/locks/other"), "")
	write(t, filepath.Join(dir, ".importerd/pid"), "1\n")
	write(t, filepath.Join(dir, ".importerd/work/trial/.importerd-trial-x"), "")
	write(t, filepath.Join(dir, "done/a"), "")
	check(t, os.Remove(filepath.Join(dir, "failed")))
	check(t, os.Remove(filepath.Join(dir, "inbox")))
	check(t, os.RemoveAll(filepath.Join(dir, ".importerd/logs")))

	before := trace(t, dir)

	in, err := spool.Inspect(dir, spool.Options{})
	check(t, err)

	var locked *spool.LockedError
	if _, err := spool.Open(dir, spool.Options{}); !errors.As(err, &locked) {
		t.Errorf("somebody else may open it: %v", err)
	}

	if missing := in.Missing(); !slices.Equal(missing, []string{"failed", ".importerd/logs", "inbox"}) {
		t.Errorf("missing: %v", missing)
	}

	old, stale, err := in.Attempts()
	check(t, err)

	if len(old) != 1 || old[0].Job != living || old[0].Name != "a\xff" || !slices.Equal(stale, []job.ID{ended}) {
		t.Errorf("old %+v, stale %v", old, stale)
	}

	for id, err := range in.Work() {
		if check(t, err); id != ended {
			t.Errorf("results of %v", id)
		}
	}

	for name, err := range in.Trials() {
		if check(t, err); name != ".importerd-trial-x" {
			t.Errorf("trial %q", name)
		}
	}

	if _, err := in.Stat(job.DoneFolder, "a"); err != nil {
		t.Error(err)
	}

	for _, folder := range []job.Folder{job.FailedFolder, job.InboxFolder} {
		if _, err := in.Stat(folder, "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("in a folder that is missing: %v", err)
		}

		for name, err := range in.Names(folder) {
			t.Errorf("a folder that is missing has %q, %v", name, err)
		}
	}

	check(t, in.Close())

	if after := trace(t, dir); after != before {
		t.Errorf("\n%s\nhas become\n%s", before, after)
	}

	shut(t, openAt(t, dir)) // it is free again
}

func TestInspectRefusesWhatIsNoSpool(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	before := trace(t, dir)

	var unfit *spool.UnfitError
	if _, err := spool.Inspect(dir, spool.Options{}); !errors.As(err, &unfit) {
		t.Errorf("a plain directory: %v", err)
	}

	if after := trace(t, dir); after != before {
		t.Errorf("it has become\n%s", after)
	}

	if _, err := spool.Inspect(filepath.Join(dir, "none"), spool.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}

	s := openAt(t, dir)

	var locked *spool.LockedError
	if _, err := spool.Inspect(dir, spool.Options{}); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("a spool that is held: %v", err)
	}

	holds(t, filepath.Join(dir, ".importerd/pid"), fmt.Sprintln(os.Getpid())) // it is the holder's
	shut(t, s)

	check(t, os.Chmod(filepath.Join(dir, "deferred"), 0o777))

	if _, err := spool.Inspect(dir, spool.Options{}); !errors.As(err, &unfit) {
		t.Errorf("a folder for everybody: %v", err)
	}

	if _, err := spool.Inspect(dir, spool.Options{Inbox: filepath.Join(dir, "none")}); err == nil {
		t.Error("an inbox elsewhere that is not there")
	}
}
