package watch

import (
	"os"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

func TestManyFilesAndASlowReceiver(t *testing.T) {
	t.Parallel()

	const n = 20_000

	h := newHand(t, eventsOnly)
	h.fill(n)
	h.begin(time.Now())

	given := map[string]int{}

	for len(given) < n {
		for _, f := range h.nextBatch() {
			given[f.Name]++
		}
	}

	if passes := h.rig.inbox.opened.Load(); passes > 2 {
		t.Errorf("it took %d passes over the directory", passes)
	}

	if probes := h.rig.inbox.probes.Load(); probes > n+n/10 {
		t.Errorf("it took %d probes", probes)
	}

	h.settle()

	if c := h.Counts(); !c.Exhausted || c.Waiting != 0 {
		t.Errorf("at the end: %+v", c)
	}
}

// New files do not starve those that wait for the sweep which stands still, and
// are not forgotten.
func TestEventsDoNotOvertakeTheSweep(t *testing.T) {
	t.Parallel()

	const n = bufferMax + 2000

	h := newHand(t, eventsOnly)
	h.fill(n)
	h.begin(time.Now())
	h.settle()

	given := map[string]bool{}
	waiting, fresh := n, 0 // of those that were there before, and those that came since

	for len(given) < n+fresh {
		if fresh > 2*n {
			t.Fatalf("%d of the first %d still wait", waiting, n)
		}

		for i := 0; i < batchMax && waiting > 0; i++ {
			name := number(n + fresh)
			must(t, os.Link(h.side("x"), h.in(name)))
			h.absorb(fsnotify.Event{Name: h.in(name), Op: fsnotify.Create}, true)

			fresh++
		}

		for _, f := range h.nextBatch() {
			if f.Name < number(n) && !given[f.Name] {
				waiting--
			}

			given[f.Name] = true
		}
	}
}

func TestSuspendedSweepIsCounted(t *testing.T) {
	t.Parallel()

	const n = bufferMax + 3000

	h := newHand(t, eventsOnly)
	h.fill(n)
	h.write(h.in("x.tmp"), "")
	h.begin(time.Now())
	h.settle()

	if !h.crowded() || h.sweepRuns() {
		t.Fatal("the sweep does not stand still")
	}

	must(t, h.check())
	h.settle()

	c := h.Counts()
	if c.Standing[job.Ready] != n || c.Waiting != n || c.Reasons[job.ReasonTemporary] != 1 || c.Complete {
		t.Errorf("it counts %+v", c)
	}

	if age := time.Since(c.Oldest); c.Oldest.IsZero() || age < 0 || age > deadline+time.Minute {
		t.Errorf("the oldest is said to be of %v", c.Oldest)
	}

	if !h.plan.census.After(time.Now()) {
		t.Error("there is no pause before the next census")
	}

	for range 10 {
		h.takeBatch()
		h.settle()
	}

	if c := h.Counts(); c.Standing[job.Ready] != n-10*batchMax {
		t.Errorf("after 10 batches it counts %+v", c)
	}
}

// A file that has settled is handed over while the sweep stands still.
func TestTimersFindRoomBesideTheSweep(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly)
	h.fill(bufferMax + 100)
	h.write(h.in("z"), "1")
	h.table.add("z", sight{}, settling, time.Now().Add(never))
	h.begin(time.Now())
	h.settle()

	if !h.crowded() || h.sweepRuns() {
		t.Fatal("the sweep does not stand still")
	}

	h.table.hasten(h.table.get("z"), time.Now())
	h.settle()

	if !h.buffer.has("z") {
		t.Error("it found no room")
	}
}

// Files that find no room in the table are left to a later sweep, and are not
// forgotten.
func TestFullTable(t *testing.T) {
	t.Parallel()

	const n = tableMax + 1000

	for _, kind := range []struct {
		name string
		err  error
		room int
	}{{"open", job.ErrOpen, openMax}, {"no lease", job.ErrNoLease, tableMax}} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()

			h := newHand(t, eventsOnly, patient)
			h.fill(n)
			h.rig.inbox.set(func() {
				h.rig.inbox.bend = func(f job.File, err error) (job.File, error) { return f, kind.err }
			})
			h.begin(time.Now())

			for h.sweep != nil {
				h.turn()
			}

			if h.table.len() != kind.room || h.Counts().Standing[job.Settling] != n || h.Counts().Exhausted {
				t.Errorf("%d are in the table; %+v", h.table.len(), h.Counts())
			}

			h.rig.inbox.set(func() { h.rig.inbox.bend = old })

			for e := h.table.first(); e != nil; e = h.table.first() { // all are found gone
				must(t, os.Remove(h.in(e.name)))
				h.lookAgain(e)
			}

			h.plan.soon = time.Now()
			h.settle()

			if h.buffer.len() != n-kind.room {
				t.Errorf("%d of the others are ready: %+v", h.buffer.len(), h.Counts())
			}
		})
	}
}

// A storm of events becomes a sweep.
func TestMoreHintsThanRoom(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly)
	h.begin(time.Now())
	h.settle()

	h.fill(hintsMax + 10)

	for i := range hintsMax + 10 {
		h.absorb(fsnotify.Event{Name: h.in(number(i)), Op: fsnotify.Create}, true)
	}

	if h.hints.len() != hintsMax || !h.wanted {
		t.Fatalf("%d hints, a sweep is wanted: %v", h.hints.len(), h.wanted)
	}

	given := 0

	for given < hintsMax+10 {
		given += len(h.nextBatch())
	}
}

// Files of which events tell while the buffer is full are found by a sweep.
func TestMoreEventsThanRoom(t *testing.T) {
	t.Parallel()

	const n = bufferMax + 10

	h := newHand(t, eventsOnly)
	h.begin(time.Now())
	h.settle()
	h.fill(n)

	for i := range n {
		h.absorb(fsnotify.Event{Name: h.in(number(i)), Op: fsnotify.Create}, true)

		if i%1000 == 0 {
			h.settle()
		}
	}

	for given := 0; given < n; {
		given += len(h.nextBatch())
	}
}

// A whole file that finds the buffer full keeps its place in the table.
func TestReadyByTimeWhileTheBufferIsFull(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly, func(o *Options) { o.Settle = 0 })
	h.rig.inbox.set(func() {
		h.rig.inbox.bend = func(f job.File, err error) (job.File, error) {
			if f.Name == "z" {
				return f, job.ErrOpen
			}

			return old(f, err)
		}
	})
	h.begin(time.Now())
	h.settle()
	h.write(h.in("z"), "1")
	h.mention("z", hint{arrived: true})
	h.settle()

	for i := range bufferMax {
		h.buffer.add(job.File{Name: number(i)})
	}

	e := h.table.get("z")
	e.written = false
	h.rig.inbox.set(func() { h.rig.inbox.bend = old })
	h.lookAgain(e)
	h.lookAgain(e)

	if h.table.get("z") == nil {
		t.Fatal("it is forgotten")
	}

	h.takeBatch()
	h.table.hasten(e, time.Now())
	h.settle()

	if !h.buffer.has("z") {
		t.Errorf("it is not ready: %+v", h.Counts())
	}
}

func TestLookNeverBlocks(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	for i := range 2 * looksMax {
		r.Look(number(i))
	}

	if len(r.looks) != looksMax || len(r.sweeps) != 1 {
		t.Errorf("%d looks and %d sweeps are remembered", len(r.looks), len(r.sweeps))
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly)
	h.fill(100)
	h.begin(time.Now())
	h.settle()

	for _, want := range []int{batchMax, 100 - batchMax, 0} {
		if got := len(h.takeBatch()); got != want {
			t.Errorf("a batch has %d files, not %d", got, want)
		}
	}
}

// What several events say of a file is taken together.
func TestEventsAreTakenTogether(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly, patient)
	h.begin(time.Now())
	h.settle()
	h.fill(1)

	h.fake.set(func() { h.fake.events = make(chan fsnotify.Event, 2) })
	h.fake.tell(fsnotify.Create, number(0))
	h.fake.tell(fsnotify.Write, number(0))
	h.turn()

	if e := h.table.get(number(0)); e == nil || !e.written {
		t.Error("that it was written came too late")
	}
}

// A file that is written or gone while it is on offer is not given away.
func TestOfferIsWithdrawn(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly, func(o *Options) { o.Linger = never })
	h.fill(3)
	h.begin(time.Now())
	h.settle()

	if n := len(h.buffer.offer()); n != 3 {
		t.Fatalf("%d files are on offer", n)
	}

	h.absorb(fsnotify.Event{Name: h.in(number(0)), Op: fsnotify.Write}, true)
	must(t, unix.Unlink(h.in(number(1))))
	h.absorb(fsnotify.Event{Name: h.in(number(1)), Op: fsnotify.Remove}, true)
	h.settle()

	if batch := h.takeBatch(); len(batch) != 1 || batch[0].Name != number(2) {
		t.Errorf("it gave %v", batch)
	}

	if e := h.table.get(number(0)); e == nil || e.reason != settling {
		t.Error("the one that was written does not linger")
	}
}

func TestIgnoredHintsCostNothing(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly)
	h.begin(time.Now())
	h.settle()

	for _, name := range []string{"a.tmp", ".a", "", ".", "..", "a/b"} {
		h.mention(name, hint{written: true})
	}

	h.mention("claimed.csv", hint{gone: true})
	marker(&h.opts)
	h.rules.mode, h.rules.marker = h.opts.Ready, h.opts.Marker
	h.mention("claimed.csv.done", hint{gone: true})
	h.mention("claimed.tmp.done", hint{arrived: true})

	if h.hints.len() != 0 {
		t.Errorf("%d hints are kept", h.hints.len())
	}
}
