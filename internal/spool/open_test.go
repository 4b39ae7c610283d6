package spool_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

func TestOpenMakesTheFolders(t *testing.T) {
	t.Parallel()

	s := open(t)

	for _, folder := range []job.Folder{
		job.InboxFolder, job.ProcessingFolder, job.DeferredFolder, job.DoneFolder, job.FailedFolder,
		job.ErrorsFolder, job.ResultsFolder, job.OwnFolder,
	} {
		info, err := os.Stat(s.Path(folder, ""))
		check(t, err)

		private := folder == job.ProcessingFolder || folder == job.DeferredFolder || folder == job.OwnFolder
		if mode := info.Mode().Perm(); private && mode != 0o700 || mode&0o007 != 0 {
			t.Errorf("%s/ has mode %v", folder, mode)
		}

		if folder != job.OwnFolder {
			empty(t, s, folder)
		}
	}

	for _, name := range []string{"locks", "logs", "work"} {
		if _, err := os.Stat(s.Path(job.OwnFolder, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenKeepsWhatIsThere(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, "done"), 0o711))
	write(t, filepath.Join(dir, "done", "old.csv"), "old")

	s := openAt(t, dir)
	holds(t, s.Path(job.DoneFolder, "old.csv"), "old")

	info, err := os.Stat(s.Path(job.DoneFolder, ""))
	if err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("done/ has mode %v, %v; want it as it was", info.Mode(), err)
	}
}

func TestOpenDoesNotMakeTheSpool(t *testing.T) {
	t.Parallel()

	dir := filepath.Join(t.TempDir(), "later")

	_, err := spool.Open(dir, spool.Options{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v, want that it does not exist", err)
	}

	_, err = spool.Open(t.TempDir(), spool.Options{Inbox: dir})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open with an inbox that is missing: %v, want that it does not exist", err)
	}

	if _, err := os.Stat(dir); err == nil {
		t.Error("it was made")
	}
}

func TestOpenRefusesWhatOnlyAPersonCanMend(t *testing.T) {
	t.Parallel()

	at := filepath.Join

	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string // in the message
	}{
		"folder is a link": {func(t *testing.T, dir string) {
			t.Helper()
			check(t, os.Symlink(t.TempDir(), at(dir, "done")))
		}, "symbolic link"},
		"folder is a file": {func(t *testing.T, dir string) {
			t.Helper()
			write(t, at(dir, "failed"), "")
		}, "not a directory"},
		"everybody may write to processing": {func(t *testing.T, dir string) {
			t.Helper()
			check(t, os.Mkdir(at(dir, "processing"), 0o700))
			check(t, os.Chmod(at(dir, "processing"), 0o777))
		}, "chmod 0700"},
		"everybody may write to deferred": {func(t *testing.T, dir string) {
			t.Helper()
			check(t, os.Mkdir(at(dir, "deferred"), 0o700))
			check(t, os.Chmod(at(dir, "deferred"), os.ModeSticky|0o777))
		}, "chmod 0700"},
		"processing is another user's": {func(t *testing.T, dir string) {
			t.Helper()
			needRoot(t)
			check(t, os.Mkdir(at(dir, "processing"), 0o700))
			check(t, os.Chown(at(dir, "processing"), someone, someone))
		}, "chown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := t.TempDir()
			c.spoil(t, dir)

			_, err := spool.Open(dir, spool.Options{})
			if _, ok := errors.AsType[*spool.UnfitError](err); !ok || !strings.Contains(err.Error(), c.want) {
				t.Errorf("open: %v; want a refusal with %q", err, c.want)
			}

			if pid := spool.PIDOf(dir); pid != 0 {
				t.Error("a spool that was refused says that it is held")
			}
		})
	}
}

func TestOpenRefusesALinkToTheSpool(t *testing.T) {
	t.Parallel()

	link := filepath.Join(t.TempDir(), "link")
	check(t, os.Symlink(t.TempDir(), link))

	_, err := spool.Open(link, spool.Options{})
	if _, ok := errors.AsType[*spool.UnfitError](err); !ok {
		t.Errorf("open: %v, want a refusal", err)
	}
}

func TestInboxElsewhere(t *testing.T) {
	t.Parallel()

	dir, inbox := t.TempDir(), t.TempDir()

	s, err := spool.Open(dir, spool.Options{Inbox: inbox})
	check(t, err)
	t.Cleanup(func() { shut(t, s) })

	if s.Path(job.InboxFolder, "a.csv") != filepath.Join(inbox, "a.csv") {
		t.Errorf("a.csv would be at %s", s.Path(job.InboxFolder, "a.csv"))
	}

	if _, err := s.Claim(dropped(t, s, "a.csv", "one")); err != nil {
		t.Error(err)
	}

	if _, err := os.Stat(filepath.Join(dir, "inbox")); err == nil {
		t.Error("inbox/ was made besides")
	}
}

func TestInboxMustNotBeAFolderOfOurs(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, "done"), 0o700))

	for _, inbox := range []string{dir, filepath.Join(dir, "done")} {
		_, err := spool.Open(dir, spool.Options{Inbox: inbox})
		if _, ok := errors.AsType[*spool.UnfitError](err); !ok {
			t.Errorf("with inbox %s: %v, want a refusal", inbox, err)
		}
	}
}

func TestOpenClearsAKilledTrial(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	check(t, openAt(t, dir).Close())

	const trial = ".importerd-trial-0195e3a0-0000-7000-8000-000000000000"

	for _, folder := range []string{".importerd/work/trial", "inbox", "failed"} {
		write(t, filepath.Join(dir, folder, trial), "")
	}

	write(t, filepath.Join(dir, "done", trial), "somebody's")

	s := openAt(t, dir)
	empty(t, s, job.InboxFolder)
	empty(t, s, job.FailedFolder)
	holds(t, s.Path(job.DoneFolder, trial), "somebody's")

	if names := list(t, s.Path(job.OwnFolder, "work/trial")); len(names) > 0 {
		t.Errorf("work/trial/ holds %q", names)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()

	if w := open(t).Warnings(); len(w) > 0 && os.Geteuid() == 0 {
		t.Logf("this machine: %q", w)
	}

	dir := public(t)
	check(t, os.Mkdir(filepath.Join(dir, "inbox"), 0o700))
	check(t, os.Chmod(filepath.Join(dir, "inbox"), os.ModeSticky|0o777))
	check(t, os.Mkdir(filepath.Join(dir, "processing"), 0o700))
	check(t, os.Chmod(filepath.Join(dir, "processing"), 0o770))

	if os.Geteuid() == 0 {
		check(t, os.Chown(dir, someone, someone))
		check(t, os.Chown(filepath.Join(dir, "processing"), someone, someone))
	}

	asUser(t, someone, func() {
		s, err := spool.Open(dir, spool.Options{})
		if err != nil {
			t.Error(err)

			return
		}
		defer shut(t, s)

		all := strings.Join(s.Warnings(), "\n")
		for _, want := range []string{"sticky", "CAP_LEASE", "written by its group"} {
			if !strings.Contains(all, want) {
				t.Errorf("no warning of %q in:\n%s", want, all)
			}
		}
	})
}

func TestBindMountInsideIsRefused(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	done := filepath.Join(dir, "done")
	check(t, os.Mkdir(done, 0o700))

	inNamespace(t, func() {
		mount(t, done, "", unix.MS_BIND, "")

		_, err := spool.Open(dir, spool.Options{})
		if _, ok := errors.AsType[*spool.UnfitError](err); !ok {
			t.Fatalf("open: %v, want a refusal", err)
		}

		for _, want := range []string{"/done", "/processing", "two mounts of one file system", "ReadWritePaths="} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not name %q", err, want)
			}
		}
	})

	for _, folder := range []string{"inbox", "processing", "deferred", ".importerd/work/trial"} {
		if names := list(t, filepath.Join(dir, folder)); len(names) > 0 {
			t.Errorf("the trial has left %q in %s/", names, folder)
		}
	}
}

func TestOtherFileSystemInsideIsRefused(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	inbox := filepath.Join(dir, "inbox")
	check(t, os.Mkdir(inbox, 0o700))

	inNamespace(t, func() {
		mount(t, inbox, "tmpfs", 0, "")

		_, err := spool.Open(dir, spool.Options{})
		if _, ok := errors.AsType[*spool.UnfitError](err); !ok || !strings.Contains(err.Error(), "two file systems") {
			t.Errorf("open: %v, want a refusal of two file systems", err)
		}
	})
}

func TestReadOnlyAndFullAreTriedAgain(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		flags uintptr
		data  string
	}{
		"read-only": {unix.MS_RDONLY, ""},
		"full":      {0, "nr_inodes=4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := t.TempDir()

			inNamespace(t, func() {
				mount(t, dir, "tmpfs", c.flags, c.data)

				_, err := spool.Open(dir, spool.Options{})
				if !errors.Is(err, job.ErrDisk) {
					t.Errorf("open: %v, want that the disk refuses", err)
				}

				if _, unfit := errors.AsType[*spool.UnfitError](err); unfit {
					t.Errorf("open: %v; that may be over soon", err)
				}
			})
		})
	}
}

func TestFileSystemWithoutNoReplaceIsRefused(t *testing.T) {
	t.Parallel()
	need(t, "strace")

	self, err := os.Executable()
	check(t, err)

	for inject, want := range map[string]string{
		"renameat2:error=EINVAL": "cannot rename without replacing",
		"flock:error=EBADF":      "cannot be locked",
	} {
		cmd := exec.CommandContext(t.Context(), "strace", "-f", "-qq", "-o", os.DevNull,
			"-e", "inject="+inject, self, "hold", t.TempDir())

		out, err := cmd.Output()
		if err == nil || len(out) == 0 {
			t.Skipf("needs strace that may trace: %v", err)
		}

		if !strings.Contains(string(out), want) || !strings.Contains(string(out), "use a") {
			t.Errorf("%s: %s; want %q and a hint", inject, out, want)
		}
	}
}

// listen makes a socket.
func listen(t *testing.T, path string) {
	t.Helper()

	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Skip("needs a short path for a socket: " + err.Error())
	}

	t.Cleanup(func() { check(t, l.Close()) })
}
