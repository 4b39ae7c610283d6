package watch

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

func TestOverflowSweeps(t *testing.T) {
	t.Parallel()

	fake := newFake()
	r := newRig(t, eventsOnly, func(o *Options) { o.newSource = fake.make }).start().swept()
	r.drop("a.csv", "1")

	fake.errs <- fsnotify.ErrEventOverflow

	r.want("a.csv")

	if n := r.Counts().Overflow; n != 1 {
		t.Errorf("%d overflows are counted, not 1", n)
	}
}

func TestOtherTroubleWithEventsSweeps(t *testing.T) {
	t.Parallel()

	fake := newFake()
	r := newRig(t, eventsOnly, func(o *Options) { o.newSource = fake.make }).start().swept()
	r.drop("a.csv", "1")

	fake.errs <- errors.New("something else")

	r.want("a.csv")
}

// While the loop stands in a probe the kernel's queue runs over, and the event
// of the last file is lost.
func TestRealOverflow(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly).start().swept()
	reached, release := make(chan struct{}), make(chan struct{})

	r.inbox.set(func() {
		r.inbox.bend = func(f job.File, err error) (job.File, error) {
			if f.Name == "stop.csv" && reached != nil {
				close(reached)
				<-release

				reached = nil
			}

			return f, err
		}
	})
	r.drop("stop.csv", "1")
	wait(t, "in the probe", reached)
	r.write(r.side("x.tmp"), "")

	for range 15_000 { // two events each; the kernel keeps 16,384, the source and its channel some thousand
		must(t, unix.Rename(r.side("x.tmp"), r.in("x.tmp")))
		must(t, unix.Rename(r.in("x.tmp"), r.side("x.tmp")))
	}

	r.drop("last.csv", "1")
	close(release)
	r.want("stop.csv", "last.csv")

	if r.Counts().Overflow == 0 {
		t.Skip("this kernel keeps more events than the test makes")
	}
}

func TestInboxReplaced(t *testing.T) {
	t.Parallel()

	r := newRig(t).start().swept()
	must(t, os.Rename(r.path, r.side("away")))
	must(t, os.Mkdir(r.path, 0o755))
	r.write(r.side("away/old.csv"), "1")
	r.drop("new.csv", "1")
	r.want("new.csv")
	r.refuses("old.csv")
	r.until("recovery", func(c Counts) bool { return c.Degraded == "" })
	r.drop("next.csv", "1")
	r.want("next.csv")
}

// Events come from the new directory too, not only sweeps.
func TestInboxReplacedIsWatchedAnew(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly).start().swept()
	must(t, os.Rename(r.path, r.side("away"))) // this alone must make the loop look
	r.until("degradation", func(c Counts) bool { return c.Degraded != "" })
	must(t, os.Mkdir(r.path, 0o755))
	r.Sweep()
	r.drop("a.csv", "1")
	r.want("a.csv")
	r.drop("b.csv", "1")
	r.want("b.csv")
}

// What was ready in a replaced inbox is not handed over.
func TestReplacedInboxGivesNothing(t *testing.T) {
	t.Parallel()

	r := newRig(t).start().swept()
	r.drop("a.csv", "1")
	r.until("ready file", func(c Counts) bool { return c.Standing[job.Ready] == 1 })
	must(t, os.Rename(r.path, r.side("away")))
	r.until("degradation", func(c Counts) bool { return c.Degraded != "" && c.Waiting == 0 })

	if answer := r.Explain(t.Context(), "a.csv"); answer.Text != job.ReasonNotWatching {
		t.Errorf("it explains: %+v", answer)
	}

	select {
	case batch := <-r.Ready():
		t.Errorf("it gave %v", batch)
	default:
	}

	must(t, os.Rename(r.side("away"), r.path))
	r.want("a.csv")
}

// Its directory is still held open, and must not be swept.
func TestReplacedInboxIsNotSwept(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly)
	h.fill(3)
	h.rig.inbox.set(func() { h.rig.inbox.checked, h.rig.inbox.reopened = job.ErrInboxReplaced, errors.New("no") })
	h.begin(time.Now())
	must(t, h.check())

	h.plan.sweep = time.Now()
	h.settle()

	if h.sweep != nil || h.buffer.len() > 0 || h.busy() {
		t.Errorf("%d files are ready: %+v", h.buffer.len(), h.Counts())
	}
}

func TestInboxRemovedAndBack(t *testing.T) {
	t.Parallel()

	r := newRig(t).start().swept()
	must(t, os.Remove(r.path))
	r.until("degradation", func(c Counts) bool { return strings.Contains(c.Degraded, "missing") })
	must(t, os.Mkdir(r.path, 0o755))
	r.drop("a.csv", "1")
	r.want("a.csv")
	r.until("recovery", func(c Counts) bool { return c.Degraded == "" })
}

func TestUnmount(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	r.write(r.in("below.csv"), "1")

	if err := unix.Mount("none", r.path, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}

	mounted := true

	t.Cleanup(func() {
		if mounted {
			must(t, unix.Unmount(r.path, unix.MNT_DETACH))
		}
	})

	must(t, r.inbox.ReopenInbox())
	r.start().swept()
	r.write(r.in("above.csv"), "1")
	r.want("above.csv")
	r.refuses("below.csv")
	must(t, unix.Unmount(r.path, unix.MNT_DETACH))

	mounted = false

	r.want("below.csv")
	r.until("recovery", func(c Counts) bool { return c.Degraded == "" })
	r.drop("a.csv", "1")
	r.want("a.csv")
}

// Something mounted over the inbox makes no event at all.
func TestMountedOver(t *testing.T) {
	t.Parallel()

	r := newRig(t).start().swept()

	if err := unix.Mount("none", r.path, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}

	t.Cleanup(func() { must(t, unix.Unmount(r.path, unix.MNT_DETACH)) })
	r.write(r.in("a.csv"), "1")
	r.want("a.csv")
	must(t, r.stop())
}

func TestSpoolReplaced(t *testing.T) {
	t.Parallel()

	for _, when := range []string{"before the start", "at a tick", "at the reopening"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()

			r := newRig(t)
			ended := make(chan error, 1)

			if when == "before the start" {
				r.inbox.checked = job.ErrSpoolReplaced
			}

			go func() { ended <- r.Run(t.Context()) }()

			switch when {
			case "at a tick":
				wait(t, "armed", r.Armed())
				r.inbox.set(func() { r.inbox.checked = job.ErrSpoolReplaced })
			case "at the reopening":
				wait(t, "armed", r.Armed())
				r.inbox.set(func() { r.inbox.checked, r.inbox.reopened = job.ErrInboxReplaced, job.ErrSpoolReplaced })
			}

			if err := <-ended; !errors.Is(err, job.ErrSpoolReplaced) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestWithoutInotify(t *testing.T) {
	t.Parallel()

	for err, hint := range map[error]string{
		syscall.EMFILE:          "max_user_instances",
		syscall.ENOSPC:          "max_user_watches",
		errors.New("no reason"): "no reason",
	} {
		t.Run(hint, func(t *testing.T) {
			t.Parallel()

			fake := newFake()
			fake.refused = &os.SyscallError{Syscall: "inotify", Err: err}

			r := newRig(t, func(o *Options) { o.newSource = fake.make }).start()
			r.until("hint", func(c Counts) bool { return strings.Contains(c.Degraded, hint) })
			r.drop("a.csv", "1")
			r.want("a.csv")

			fake.set(func() { fake.refused = nil })
			r.until("recovery", func(c Counts) bool { return c.Degraded == "" })
		})
	}
}

// An unmount is told by nothing but the watch's absence.
func TestVanishedWatchIsArmedAnew(t *testing.T) {
	t.Parallel()

	fake := newFake()
	r := newRig(t, func(o *Options) { o.newSource = fake.make }).start().swept()
	fake.set(func() { fake.deaf = true })
	r.until("second watch", func(Counts) bool { return fake.made.Load() == 2 })

	if fake.closed.Load() != 1 {
		t.Error("the first one was not closed")
	}
}

// What happened while there was no watch told nobody.
func TestSweepFollowsTheSecondWatch(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly)
	h.begin(time.Now())
	h.settle()
	h.fake.set(func() { h.fake.deaf = true })
	must(t, h.check())

	if !h.wanted {
		t.Error("no sweep is wanted")
	}
}

func TestEndedSourceIsMadeAnew(t *testing.T) {
	t.Parallel()

	fake := newFake()
	events := fake.events
	r := newRig(t, eventsOnly, func(o *Options) { o.newSource = fake.make }).start().swept()

	fake.set(func() { fake.events = make(chan fsnotify.Event) })
	close(events)
	r.until("second source", func(c Counts) bool { return fake.made.Load() == 2 && c.Degraded == "" })
}

func TestUnreadableInbox(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	r.inbox.broken = syscall.EMFILE
	r.start()
	r.drop("a.csv", "1")
	r.until("degradation", func(c Counts) bool { return strings.Contains(c.Degraded, "cannot be read") })
	r.inbox.set(func() { r.inbox.broken = nil })
	r.want("a.csv")
	r.until("recovery", func(c Counts) bool { return c.Degraded == "" && c.Complete })
}
