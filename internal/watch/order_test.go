package watch

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"importerd/internal/job"
)

func by(o Order) func(*Options) { return func(opts *Options) { opts.Order = o } }

// Names say in which order the files came, and the other way round for age.
func aged(f job.File, err error) (job.File, error) {
	if f.Name != "" {
		f.Ctime = time.Unix(1_000_000-int64(f.Name[3])*1000-int64(f.Name[4])*30-int64(f.Name[5]), 0)
	}

	return f, err
}

func TestOrder(t *testing.T) {
	t.Parallel()

	for _, o := range []Order{OrderAge, OrderName} {
		t.Run(string(o), func(t *testing.T) {
			t.Parallel()

			h := newHand(t, eventsOnly, by(o))
			h.fill(300)
			h.rig.inbox.set(func() { h.rig.inbox.bend, h.rig.inbox.bendStat = aged, aged })
			h.begin(time.Now())
			h.settle()

			got := h.takeAll()
			if o == OrderAge {
				slices.Reverse(got)
			}

			if len(got) != 300 || !slices.IsSorted(got) {
				t.Errorf("%d files came in the order %q", len(got), got)
			}
		})
	}
}

func TestChoiceKeepsTheFirst(t *testing.T) {
	t.Parallel()

	c := newChoice(OrderName)
	for _, i := range rand.Perm(2 * bufferMax) {
		c.add(job.File{Name: number(i)})
	}

	for i, f := range c.sorted() {
		if f.Name != number(i) || len(c.files) != bufferMax {
			t.Fatalf("number %d of %d is %q", i, len(c.files), f.Name)
		}
	}
}

// More than one sweep can choose: each chooses the first of what is left.
func TestOrderOfMany(t *testing.T) {
	t.Parallel()

	const n = 2*bufferMax + 100

	h := newHand(t, eventsOnly, by(OrderName))
	h.fill(n)
	h.begin(time.Now())
	h.settle()

	if c := h.Counts(); c.Standing[job.Ready] != n || c.Exhausted {
		t.Errorf("it counts %+v", c)
	}

	h.plan.soon = time.Now().Add(never) // but taking them was pause enough

	got := h.takeAll()
	if len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%d files came", len(got))
	}

	if passes := h.rig.inbox.opened.Load(); passes > 4 {
		t.Errorf("it took %d passes", passes)
	}

	h.settle()

	if c := h.Counts(); c.Waiting != 0 || !c.Exhausted {
		t.Errorf("at the end it counts %+v", c)
	}
}

// A file that comes by an event takes its place in the order.
func TestOrderOfEvents(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly, by(OrderName))
	h.begin(time.Now())
	h.settle()
	h.fill(20)

	for _, i := range rand.Perm(20) {
		h.absorb(fsnotify.Event{Name: h.in(number(i)), Op: fsnotify.Create}, true)
		h.settle()
	}

	if got := h.takeAll(); len(got) != 20 || !slices.IsSorted(got) {
		t.Errorf("they came as %q", got)
	}
}

// While more files wait than were chosen, an event's file waits for the next
// choice, and comes.
func TestOrderOfEventsInABacklog(t *testing.T) {
	t.Parallel()

	const n = bufferMax + 100

	h := newHand(t, eventsOnly, by(OrderName))
	h.fill(n)
	h.begin(time.Now())
	h.settle()
	h.write(h.in("000000-first.csv"), "1")
	h.absorb(fsnotify.Event{Name: h.in("000000-first.csv"), Op: fsnotify.Create}, true)
	h.settle()

	got := h.takeAll()
	if len(got) != n+1 || !slices.IsSorted(got[:bufferMax]) || !slices.IsSorted(got[bufferMax:]) {
		t.Errorf("%d files came", len(got))
	}

	if got[bufferMax] != "000000-first.csv" {
		t.Errorf("the second choice began with %q", got[bufferMax])
	}
}

// There is room for it in the buffer, but others come before it that are not there.
func TestOrderOfALateNameInABacklog(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly, by(OrderName))
	h.fill(bufferMax + 100)
	h.begin(time.Now())
	h.settle()
	h.takeBatch()
	h.write(h.in("z.csv"), "1")
	h.absorb(fsnotify.Event{Name: h.in("z.csv"), Op: fsnotify.Create}, true)
	h.settle()

	got := h.takeAll()
	if len(got) != bufferMax+100-batchMax+1 || !slices.IsSorted(got) {
		t.Errorf("%d files came, the last is %q", len(got), got[len(got)-1])
	}
}

// What is written after a sweep has chosen it is not handed over with the rest.
func TestOrderOfAFileThatIsWrittenMeanwhile(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly, by(OrderName), func(o *Options) { o.Linger = never })
	h.fill(2 * looksAtOnce)
	h.begin(time.Now())

	for len(h.sweep.choice.files) == 0 {
		h.turn()
	}

	name := h.sweep.choice.files[0].Name
	h.absorb(fsnotify.Event{Name: h.in(name), Op: fsnotify.Write}, true)
	h.settle()

	if got := h.takeAll(); slices.Contains(got, name) || len(got) != 2*looksAtOnce-1 {
		t.Errorf("%d files came", len(got))
	}

	if e := h.table.get(name); e == nil || e.reason != settling {
		t.Error("the one that was written does not linger")
	}
}

// An empty file waits by time; when it is whole it takes part in the choice
// even if others always wait too.
func TestOrderDoesNotStarveTheEmpty(t *testing.T) {
	t.Parallel()

	h := newHand(t, eventsOnly, by(OrderName), func(o *Options) { o.Settle = 0 })
	h.fill(bufferMax + 10)
	h.begin(time.Now())
	h.settle()

	h.write(h.in("0.csv"), "")
	h.table.add("0.csv", sight{}, settling, time.Now())
	h.settle()

	if e := h.table.get("0.csv"); e == nil || e.reason != ready {
		t.Fatal("it is not kept as ready")
	}

	if got := h.takeAll(); !slices.Contains(got, "0.csv") {
		t.Error("it never came")
	}
}

// takeAll takes batches until none is left.
func (h *hand) takeAll() []string {
	h.t.Helper()

	var names []string

	for batch := h.takeBatch(); len(batch) > 0; batch = h.takeBatch() {
		for _, f := range batch {
			names = append(names, f.Name)
		}

		h.settle()
	}

	return names
}
