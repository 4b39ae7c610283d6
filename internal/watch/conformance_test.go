package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// inboxes are the real inbox and the double of these tests: what is expected of
// one is expected of the other.
func inboxes(t *testing.T, test func(t *testing.T, inbox Inbox, path string)) {
	t.Helper()

	t.Run("spool", func(t *testing.T) {
		t.Parallel()

		dir := t.TempDir()
		s, err := spool.Open(dir, spool.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		test(t, s, filepath.Join(dir, string(job.InboxFolder)))
	})
	t.Run("double", func(t *testing.T) {
		t.Parallel()

		r := newRig(t)
		test(t, r.inbox, r.path)
	})
}

func TestInboxesSayTheSame(t *testing.T) {
	t.Parallel()
	inboxes(t, func(t *testing.T, inbox Inbox, path string) {
		must(t, os.WriteFile(filepath.Join(path, "whole"), []byte("12"), 0o600))
		must(t, os.Mkdir(filepath.Join(path, "dir"), 0o755))
		must(t, os.Symlink("whole", filepath.Join(path, "link")))

		busy, err := os.Create(filepath.Join(path, "busy"))
		must(t, err)
		t.Cleanup(func() { busy.Close() })

		for name, want := range map[string]struct{ probe, stat error }{
			"whole":                  {nil, nil},
			"dir":                    {job.ErrNotRegular, job.ErrNotRegular},
			"link":                   {job.ErrNotRegular, job.ErrNotRegular},
			"busy":                   {job.ErrOpen, nil},
			"nothing":                {fs.ErrNotExist, fs.ErrNotExist},
			strings.Repeat("x", 300): {fs.ErrNotExist, fs.ErrNotExist},
		} {
			f, err := inbox.Probe(job.InboxFolder, name)
			if !errors.Is(err, want.probe) {
				t.Errorf("probe %.10s: %v, not %v", name, err, want.probe)
			}

			g, err := inbox.Stat(job.InboxFolder, name)
			if !errors.Is(err, want.stat) || !f.Quiet(g) {
				t.Errorf("stat %.10s: %v, not %v; %+v, %+v", name, err, want.stat, f, g)
			}

			if regular := name == "whole" || name == "busy"; regular && (f.Name != name || f.Ino == 0 || f.Ctime.IsZero()) {
				t.Errorf("%s is %+v", name, f)
			}
		}

		dir, err := inbox.OpenInbox()
		must(t, err)

		names, err := dir.Readdirnames(-1)
		must(t, err)
		must(t, dir.Close())

		if len(names) != 4 {
			t.Errorf("the names are %q", names)
		}
	})
}

func TestInboxesAreCheckedAndReopened(t *testing.T) {
	t.Parallel()
	inboxes(t, func(t *testing.T, inbox Inbox, path string) {
		must(t, inbox.CheckInbox())
		must(t, os.Rename(path, path+".away"))

		if err := inbox.CheckInbox(); !errors.Is(err, job.ErrInboxReplaced) {
			t.Errorf("renamed away: %v", err)
		}

		must(t, os.Mkdir(path, 0o755))

		if err := inbox.CheckInbox(); !errors.Is(err, job.ErrInboxReplaced) {
			t.Errorf("replaced: %v", err)
		}

		must(t, inbox.ReopenInbox())
		must(t, inbox.CheckInbox())
		must(t, os.WriteFile(filepath.Join(path, "new"), nil, 0o600))

		if _, err := inbox.Stat(job.InboxFolder, "new"); err != nil {
			t.Errorf("after the reopening: %v", err)
		}
	})
}

// The whole way of a few files on both of them.
func TestBothInboxesAreWatched(t *testing.T) {
	t.Parallel()
	inboxes(t, func(t *testing.T, inbox Inbox, path string) {
		opts := options(path)
		opts.Log = zerolog.New(zerolog.NewTestWriter(t))

		w, err := New(inbox, opts)
		must(t, err)

		r := &rig{Watcher: w, t: t, path: path, beside: filepath.Dir(path)}
		r.write(r.in("before.csv"), "1")
		r.start().want("before.csv")
		r.drop("after.csv", "1")
		r.want("after.csv")

		f, err := os.Create(r.in("slow.csv"))
		must(t, err)
		r.explained("slow.csv", job.ReasonOpen)
		must(t, f.Close()) // empty, so it settles by quiet time
		r.want("slow.csv")

		must(t, os.Rename(path, path+".away"))
		must(t, os.MkdirAll(path, 0o755)) // a spool makes an inbox that is missing, too
		r.drop("anew.csv", "1")
		r.want("anew.csv")
	})
}
