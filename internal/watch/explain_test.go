package watch

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

func TestExplain(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, func(o *Options) {
		o.Match, o.Settle = []string{"*.csv"}, never
	})
	r.drop("ready.csv", "1")
	r.drop("empty.csv", "")
	r.drop("disk.csv", "1")
	r.drop("locked.csv", "1")
	r.drop("x.tmp", "1")
	r.drop("x.txt", "1")
	must(t, os.Mkdir(r.in("dir.csv"), 0o755))

	r.inbox.bend = func(f job.File, err error) (job.File, error) {
		switch f.Name {
		case "disk.csv":
			return f, job.ErrDisk
		case "locked.csv":
			return f, job.ErrUnreadable
		}

		return f, err
	}
	r.start().swept()

	busy, err := os.Create(r.in("busy.csv"))
	must(t, err)
	t.Cleanup(func() { busy.Close() })

	for name, want := range map[string]job.Reason{
		"ready.csv":   {Standing: job.Ready, Text: job.ReasonReady},
		"empty.csv":   {Standing: job.Settling, Text: job.ReasonSettling},
		"busy.csv":    {Standing: job.Settling, Text: job.ReasonOpen},
		"disk.csv":    {Standing: job.Held, Text: job.ReasonIOError},
		"locked.csv":  {Standing: job.Held, Text: job.ReasonUnreadable},
		"x.tmp":       {Standing: job.Ignored, Text: job.ReasonTemporary},
		"y.tmp":       {Text: job.ReasonGone},
		"x.txt":       {Standing: job.Ignored, Text: job.ReasonNoMatch},
		"dir.csv":     {Standing: job.Ignored, Text: job.ReasonNotRegular},
		"nowhere.csv": {Text: job.ReasonGone},
		"":            {Text: job.ReasonGone},
		"../x":        {Text: job.ReasonGone},
	} {
		got := r.explained(name, want.Text)
		if got.Standing != want.Standing {
			t.Errorf("%q is %q, not %q", name, got.Standing, want.Standing)
		}

		if waits := got.Until > 0; waits != (want.Text == job.ReasonSettling) || got.Until > never {
			t.Errorf("%q is said to wait for %v", name, got.Until)
		}
	}

	must(t, r.stop())

	if got := r.Explain(t.Context(), "ready.csv"); got.Text != job.ReasonNotWatching {
		t.Errorf("after the end it explains: %+v", got)
	}
}

// It has waited: what is in the buffer is ready.
func TestExplainOfAFileThatHasSettled(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly, patient)
	h.write(h.in("empty.csv"), "")

	if got := h.explain("empty.csv"); got.Text != job.ReasonSettling {
		t.Errorf("it explains: %+v", got)
	}

	h.buffer.add(job.File{Name: "empty.csv"})

	if got := h.explain("empty.csv"); got.Text != job.ReasonReady {
		t.Errorf("it explains: %+v", got)
	}
}

// Of those that are ignored nobody waits for the oldest.
func TestOldestIsOneThatWaits(t *testing.T) {
	t.Parallel()

	var c tally

	c.add(notRegular, "dir", time.Unix(1, 0))
	c.add(ready, "young.csv", time.Unix(3, 0))
	c.add(unreadable, "old.csv", time.Unix(2, 0))
	c.add(open, "unknown.csv", time.Time{})

	if c.oldest != time.Unix(2, 0) {
		t.Errorf("the oldest is of %v", c.oldest)
	}
}

func TestHeldFilesAreCountedAndTriedAgain(t *testing.T) {
	t.Parallel()

	for text, problem := range map[string]error{
		job.ReasonUnreadable: job.ErrUnreadable, job.ReasonIOError: job.ErrDisk,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()

			r := newRig(t)
			r.inbox.bend = func(f job.File, _ error) (job.File, error) { return f, problem }
			r.drop("a.csv", "1")
			r.start()
			r.until("held file", func(c Counts) bool {
				return c.Standing[job.Held] == 1 && c.Reasons[text] == 1 && c.Waiting == 1 && c.Exhausted
			})
			r.inbox.set(func() { r.inbox.bend = nil })
			r.want("a.csv")
			r.until("no held file", func(c Counts) bool { return c.Waiting == 0 })
		})
	}
}

// Who looks for help with an unreadable file wants to know whose it is.
func TestUnreadableTellsModeAndOwner(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	r.inbox.bend = func(f job.File, _ error) (job.File, error) {
		return f, fmt.Errorf("probe: %w", &job.UnreadableError{Mode: 0o600, Owner: "up1"})
	}
	r.drop("a.csv", "1")
	r.start()
	r.explained("a.csv", "unreadable: mode 0600, owner up1")
	r.until("held file", func(c Counts) bool { return c.Reasons[job.ReasonUnreadable] == 1 })
}

// A change of mode makes an event; no sweep is needed.
func TestChmodMakesReadable(t *testing.T) {
	t.Parallel()

	if os.Geteuid() != 0 {
		t.Skip("only root can try to read as somebody else")
	}

	r := newRig(t, eventsOnly)
	for dir := r.path; dir != os.TempDir() && dir != "/"; dir = dir[:lastSlash(dir)] {
		must(t, os.Chmod(dir, 0o755))
	}

	r.inbox.as = 65534
	r.start().swept()
	r.write(r.side("a.csv"), "1")
	must(t, os.Chmod(r.side("a.csv"), 0o600))
	must(t, os.Rename(r.side("a.csv"), r.in("a.csv")))
	r.explained("a.csv", job.ReasonUnreadable)
	must(t, os.Chmod(r.in("a.csv"), 0o644))
	r.want("a.csv")
}

func lastSlash(path string) int {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '/' {
			return i
		}
	}

	return 0
}

// probeAs is probe with the rights of another user to files.
func probeAs(uid, dir int, name string) (job.File, error) {
	runtime.LockOSThread() // the rights are the thread's
	defer runtime.UnlockOSThread()

	if _, err := unix.SetfsuidRetUid(uid); err != nil {
		return job.File{}, err
	}

	f, err := probe(dir, name)
	if _, back := unix.SetfsuidRetUid(0); back != nil {
		panic(back)
	}

	return f, err
}
