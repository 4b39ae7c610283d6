package monitor

import (
	"maps"
	"slices"

	"importerd/internal/job"
)

// maxChanges bounds how many jobs a client's box holds changes of. What comes when
// it is full is left out: a change is news, not history.
const maxChanges = 4096

// box is what the hub leaves for a client that is not fast enough to take it at
// once. It is guarded by the hub's mutex, but for poked.
type box struct {
	poked   chan struct{} // the hub sends that there is something, the client receives; nobody closes
	changes map[job.ID]change
	turn    int // of the last job that came into changes
}

// change is how a job is that has not ended, and when it came into the box.
type change struct {
	*entry
	turn int
}

func newBox() box {
	return box{poked: make(chan struct{}, 1), changes: map[job.ID]change{}}
}

// poke lets the client look. It never blocks.
func (b *box) poke() {
	select {
	case b.poked <- struct{}{}:
	default:
	}
}

// news returns what is poked.
func (b *box) news() <-chan struct{} { return b.poked }

// change replaces what is to be told of a job that has not ended. It pokes once: a
// client that leaves changes in the box looks again by itself.
func (b *box) change(e *entry) {
	if len(b.changes) == 0 {
		b.poke()
	}

	old, known := b.changes[e.id]

	switch {
	case known:
		b.changes[e.id] = change{e, old.turn}
	case len(b.changes) < maxChanges:
		b.turn++
		b.changes[e.id] = change{e, b.turn}
	}
}

// forget takes back what was to be told of a job: there is better news.
func (b *box) forget(id job.ID) { delete(b.changes, id) }

// empty takes all changes out, those of the job that came first come first.
func (b *box) empty() []change {
	all := slices.SortedFunc(maps.Values(b.changes), func(x, y change) int { return x.turn - y.turn })

	clear(b.changes)

	return all
}
