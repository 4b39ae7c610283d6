package watch

import (
	"testing"
	"time"
)

// Where files wait the first one is handed over before the events are turned on, which
// may take long.
func TestFirstFileWaitsForNoEvents(t *testing.T) {
	t.Parallel()

	fake := newFake()
	r := newRig(t, eventsOnly, func(o *Options) { o.newSource = fake.make })
	h := &hand{rig: r, loop: newLoop(r.Watcher, nil), fake: fake}
	t.Cleanup(h.close)
	h.fill(3 * looksAtOnce)
	must(t, h.check())
	h.begin(time.Now().Add(time.Hour)) // however slow the machine is
	h.turn()

	if n := len(h.buffer.offer()); n != 1 {
		t.Errorf("after the first turn %d files are offered, not one", n)
	}

	if fake.made.Load() != 0 {
		t.Error("events are on already")
	}

	h.sweep.began = time.Now().Add(-earlyFor)
	h.turn()

	if n := fake.made.Load(); n != 1 || h.early {
		t.Errorf("when it is time events were turned on %d times", n)
	}

	if h.Counts().Complete {
		t.Error("a look at some of the files counts as a sweep")
	}

	for h.settle(); len(h.takeBatch()) > 0; h.settle() {
		continue
	}

	if c := h.Counts(); !c.Exhausted || c.Sweeps != 1 {
		t.Errorf("at the end it counts %+v", c)
	}
}

// What comes while nothing is told is found by the sweep that follows.
func TestSweepFollowsTheFirstWatch(t *testing.T) {
	t.Parallel()

	for _, o := range []Order{OrderNone, OrderName} {
		t.Run(string(o), func(t *testing.T) {
			t.Parallel()

			fake := newFake()
			r := newRig(t)
			r.open(eventsOnly, by(o), func(o *Options) {
				o.newSource = func() (source, error) {
					r.drop("late.csv", "1")

					return fake.make()
				}
			})
			r.start().want("late.csv")
		})
	}
}
