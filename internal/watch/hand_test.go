package watch

import (
	"fmt"
	"os"
	"testing"
	"time"

	"importerd/internal/job"
)

// hand is a loop that a test turns by hand, so that it can look inside.
type hand struct {
	*rig
	*loop
	fake *fakeSource
}

// newHand returns a loop that is armed with a fake source and has begun its
// first sweep.
func newHand(t *testing.T, change ...func(*Options)) *hand {
	t.Helper()

	fake := newFake()
	r := newRig(t, append(change, func(o *Options) { o.newSource = fake.make })...)
	h := &hand{rig: r, loop: newLoop(r.Watcher, nil), fake: fake}
	t.Cleanup(h.close)

	h.early = false
	must(t, h.check())

	return h
}

// close is the loop's; the rig has none.
func (h *hand) close() { h.loop.close() }

// turn lets the loop do one turn without waiting and checks its bounds.
func (h *hand) turn() {
	h.t.Helper()
	must(h.t, h.work())
	h.publish()

	if h.buffer.len() > bufferMax || len(h.buffer.names) != h.buffer.len() {
		h.t.Fatalf("the buffer has %d files and %d names", h.buffer.len(), len(h.buffer.names))
	}

	if h.table.len() > tableMax || len(h.table.names) != h.table.len() || h.table.count[open] > openMax {
		h.t.Fatalf("the table has %d entries and %d names", h.table.len(), len(h.table.names))
	}

	if h.hints.len() > hintsMax || len(h.hints.names) != h.hints.len() {
		h.t.Fatalf("there are %d hints and %d names", h.hints.len(), len(h.hints.names))
	}

	if h.sweep != nil && len(h.sweep.names) > namesAtOnce {
		h.t.Fatalf("the sweep keeps %d names", len(h.sweep.names))
	}
}

// settle turns the loop until nothing is to be done at once.
func (h *hand) settle() {
	h.t.Helper()

	for h.turn(); h.busy(); {
		h.turn()
	}
}

// takeBatch takes what is offered, as a receiver would, and claims it.
func (h *hand) takeBatch() []job.File {
	h.t.Helper()

	batch := h.buffer.offer()
	if len(batch) == 0 {
		return nil
	}

	h.taken()

	for _, f := range batch {
		if err := os.Remove(h.in(f.Name)); err != nil && !os.IsNotExist(err) {
			h.t.Fatal(err)
		}
	}

	return batch
}

// nextBatch takes a batch as soon as there is one, after the next sweep at the
// latest.
func (h *hand) nextBatch() []job.File {
	h.t.Helper()
	h.settle()

	if h.buffer.len() == 0 {
		pause := time.Until(h.plan.sweep)
		if pause > deadline {
			h.t.Fatalf("nothing comes any more: %+v", h.Counts())
		}

		<-time.After(pause)
		h.settle()
	}

	return h.takeBatch()
}

// fill puts n whole files into the inbox that have not changed for long.
func (h *hand) fill(n int) {
	h.t.Helper()
	h.write(h.side("x"), "1")

	for i := range n {
		must(h.t, os.Link(h.side("x"), h.in(number(i))))
	}

	h.rig.inbox.set(func() { h.rig.inbox.bend = old })
}

func number(i int) string { return fmt.Sprintf("%06d.csv", i) }

// old makes a file one that did not change for a minute, and came by a rename.
func old(f job.File, err error) (job.File, error) {
	f.Ctime = f.Ctime.Add(-time.Minute)
	f.Mtime = f.Ctime.Add(-time.Minute)

	return f, err
}
