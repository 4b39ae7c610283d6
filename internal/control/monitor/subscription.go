package monitor

import (
	"slices"

	"importerd/internal/control/wire"
)

// batchSize is how many ends of a spool are taken at a time.
const batchSize = 128

// subscription is what one client wants to be told of, and how far it is. It is
// used by the client's goroutine only.
type subscription interface {
	// fetch returns what is to be told now, in order; changes: also of jobs that
	// have not ended. Nothing: wait for news.
	fetch(changes bool) (batch, error)
	// news tells that fetch may have something to say.
	news() <-chan struct{}
	// close makes the hub forget the subscription.
	close()
}

// batch is what is to be told at a time.
type batch struct {
	messages []message
	cursor   string // where the client stands behind it
	reset    bool   // a journal is gone: the present state follows
	more     bool   // there is more at once
	held     bool   // there are changes that were not asked for
	over     bool   // nothing can follow any more
}

// resume is what a client says where it stands.
type resume struct{ cursor wire.Cursor }

// at returns the client's position in a spool; false: it says nothing of it.
func (r resume) at(spool string) (wire.Position, bool) {
	for _, p := range r.cursor {
		if p.Spool == spool {
			return p, true
		}
	}

	return wire.Position{Spool: spool}, false
}

// forget makes as if the client had said nothing of a spool.
func (r *resume) forget(spool string) {
	r.cursor = slices.DeleteFunc(slices.Clone(r.cursor), func(p wire.Position) bool { return p.Spool == spool })
}

// subscribe returns what w asks for. Errors are the client's fault.
func (h *Hub) subscribe(w wire.Watch) (subscription, error) {
	if err := w.Check(); err != nil {
		return nil, badWatch(err)
	}

	cursor, err := wire.ParseCursor(w.Since)
	if err != nil {
		return nil, badWatch(err)
	}

	from := resume{cursor}

	if len(w.Watch) > 0 {
		return newIDs(h, w.Watch, from), nil
	}

	if !w.All && !h.hasSpool(w.Spool) {
		return nil, noSpool(w.Spool)
	}

	return newStream(h, w.Spool, from), nil
}

// hasSpool says whether there is or may be a spool of a name.
func (h *Hub) hasSpool(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	_, known := h.spools[name]

	return known || len(h.opts.Spools) == 0
}
