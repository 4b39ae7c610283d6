package spool_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

func TestReplacedInboxIsSeenAndOpenedAnew(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		inbox func(t *testing.T) string // empty: inbox/ in the spool
		spoil func(path string) error
	}{
		"moved away and made again": {spoil: func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Mkdir(path, 0o700))
		}},
		"removed": {spoil: os.Remove},
		"elsewhere, replaced": {(*testing.T).TempDir, func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Mkdir(path, 0o700))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o := spool.Options{}
			if c.inbox != nil {
				o.Inbox = filepath.Join(c.inbox(t), "in")
				check(t, os.Mkdir(o.Inbox, 0o700))
			}

			s, err := spool.Open(t.TempDir(), o)
			check(t, err)

			defer shut(t, s)

			check(t, s.CheckInbox())
			check(t, c.spoil(s.Path(job.InboxFolder, "")))

			if err := s.CheckInbox(); !errors.Is(err, job.ErrInboxReplaced) {
				t.Errorf("check: %v, want that the inbox was replaced", err)
			}

			check(t, s.ReopenInbox())
			check(t, s.CheckInbox())

			if _, err := s.Claim(dropped(t, s, "a.csv", "one")); err != nil {
				t.Error(err)
			}

			empty(t, s, job.InboxFolder)
		})
	}
}

func TestReopenInboxRefusesWhatOpenRefuses(t *testing.T) {
	t.Parallel()

	s := open(t)
	inbox := s.Path(job.InboxFolder, "")
	check(t, os.Rename(inbox, inbox+".old"))
	check(t, os.Symlink(inbox+".old", inbox))

	err := s.ReopenInbox()
	if _, ok := errors.AsType[*spool.UnfitError](err); !ok {
		t.Errorf("reopen: %v, want a refusal", err)
	}

	write(t, inbox+".old/a.csv", "one")

	if _, err := s.Stat(job.InboxFolder, "a.csv"); err != nil {
		t.Errorf("the old inbox is not held any more: %v", err)
	}
}

func TestMountOverTheInboxIsSeen(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	inNamespace(t, func() {
		s := openAt(t, dir)
		defer shut(t, s)

		inbox := s.Path(job.InboxFolder, "")
		mount(t, inbox, "", unix.MS_BIND, "") // same device, same inode

		if err := s.CheckInbox(); !errors.Is(err, job.ErrInboxReplaced) {
			t.Errorf("check: %v, want that the inbox was replaced", err)
		}

		err := s.ReopenInbox()
		if _, ok := errors.AsType[*spool.UnfitError](err); !ok {
			t.Errorf("reopen: %v, want a refusal", err)
		}

		check(t, unix.Unmount(inbox, unix.MNT_DETACH))
		check(t, s.CheckInbox())
	})
}

func TestReplacedSpoolIsSeen(t *testing.T) {
	t.Parallel()

	for name, spoil := range map[string]func(dir string) error{
		"moved away": func(dir string) error { return os.Rename(dir, dir+".old") },
		"replaced": func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700), os.Mkdir(dir+"/inbox", 0o700))
		},
		"ours replaced": func(dir string) error {
			return errors.Join(os.Rename(dir+"/.importerd", dir+"/old"), os.Mkdir(dir+"/.importerd", 0o700))
		},
		"done replaced": func(dir string) error {
			return errors.Join(os.Rename(dir+"/done", dir+"/old"), os.Mkdir(dir+"/done", 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := filepath.Join(t.TempDir(), "spool")
			check(t, os.Mkdir(dir, 0o700))

			s := openAt(t, dir)
			check(t, spoil(dir))

			if err := s.CheckInbox(); !errors.Is(err, job.ErrSpoolReplaced) || errors.Is(err, job.ErrInboxReplaced) {
				t.Errorf("check: %v, want that the spool was replaced", err)
			}
		})
	}
}

func TestUnmountedSpoolIsSeen(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	inNamespace(t, func() {
		mount(t, dir, "tmpfs", 0, "")

		s := openAt(t, dir)
		defer shut(t, s)

		check(t, unix.Unmount(dir, unix.MNT_DETACH))

		if err := s.CheckInbox(); !errors.Is(err, job.ErrSpoolReplaced) {
			t.Errorf("check: %v, want that the spool was replaced", err)
		}

		if err := s.ReopenInbox(); !errors.Is(err, job.ErrSpoolReplaced) {
			t.Errorf("reopen: %v, want that the spool was replaced", err)
		}

		if names := list(t, dir); len(names) > 0 {
			t.Errorf("%q was made below the mount", names)
		}
	})
}

// Claims go on while the inbox is opened anew; the race detector looks on.
func TestReopenInboxWhileOthersWork(t *testing.T) {
	t.Parallel()

	const rounds = 50

	s := open(t)
	done := make(chan struct{})

	go func() {
		defer close(done)

		for range rounds {
			if err := s.ReopenInbox(); err != nil {
				t.Errorf("reopen: %v", err)
			}
		}
	}()

	for range rounds {
		f := dropped(t, s, "a.csv", "one")
		if _, err := settled(t, s, job.InboxFolder, "a.csv"); err != nil {
			t.Errorf("probe: %v", err)
		}

		if _, err := s.Claim(f); err != nil {
			t.Errorf("claim: %v", err)
		}

		check(t, os.Remove(s.Path(job.ProcessingFolder, "a.csv")))
	}

	<-done
}

// An operation that has looked the inbox up just before goes on with the new one.
func TestReopenInboxDisturbsNobody(t *testing.T) {
	t.Parallel()

	s := open(t)
	use := s.HoldInbox()

	for range 3 {
		check(t, s.ReopenInbox())
		check(t, use())
	}

	check(t, s.Close())

	if err := use(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after the end: %v, want that it is closed", err)
	}
}

// TestCloseBesideReopenInbox has a spool closed while its inbox is opened anew: nothing
// of it stays open.
func TestCloseBesideReopenInbox(t *testing.T) {
	t.Parallel()

	for range 100 {
		dir := t.TempDir()

		s, err := spool.Open(dir, spool.Options{})
		check(t, err)

		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { _ = s.ReopenInbox() }) // it may be too late
		}

		check(t, s.Close())
		both.Wait()

		links, err := filepath.Glob("/proc/self/fd/*")
		check(t, err)

		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, dir+"/") {
				t.Fatalf("%s is still open", to)
			}
		}
	}
}
