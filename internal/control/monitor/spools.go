package monitor

import (
	"context"
	"slices"
	"time"
)

// heardEvery is how often it is looked whether clients have heard the last ends.
const heardEvery = 10 * time.Millisecond

// SetSpools says which spools there are from now on. One that is not among them is
// forgotten once it has no feed any more: call it again then. Who waits for jobs
// that no other spool has is told that they are unknown.
func (h *Hub) SetSpools(names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()

	for _, name := range names {
		h.spools[name] = h.feeds[name] != nil
	}

	gone := false

	for name, open := range h.spools {
		if !open && !slices.Contains(names, name) {
			delete(h.spools, name)

			gone = true
		}
	}

	if !gone {
		return
	}

	for w := range h.watchers {
		w.left()
	}
}

// Finish waits until all who watch the spool have been sent what was told so far,
// some seconds at most: the spool does not come back.
func (f *Feed) Finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastGrace)
	defer cancel()

	tick := time.NewTicker(heardEvery)
	defer tick.Stop()

	for !f.heard() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// heard says whether all who watch the spool have been sent all, and has those look
// again who have not.
func (f *Feed) heard() bool {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()

	all := true

	for s := range f.hub.streams {
		if s.wants(f.spool) && s.had[f.spool] < f.told {
			s.poke()

			all = false
		}
	}

	return all
}
