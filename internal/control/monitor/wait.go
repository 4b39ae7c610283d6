package monitor

import (
	"context"
	"fmt"
	"io/fs"

	"importerd/internal/job"
)

// waiter is one call of Wait.
type waiter struct {
	end   chan job.Record // the hub sends the end once, Wait receives; holds 1; nobody closes
	feeds chan struct{}   // the hub sends that a spool has come, Wait receives; holds 1; nobody closes
}

func (w *waiter) opened(*Feed) {
	select {
	case w.feeds <- struct{}{}:
	default:
	}
}

func (w *waiter) left() { w.opened(nil) }

func (w *waiter) ended(_ *entry, rec *job.Record) {
	select {
	case w.end <- *rec:
	default:
	}
}

func (w *waiter) changed(*entry) {}

// Wait returns the job when it has ended, at once if it has already. Errors:
// fs.ErrNotExist: there is no such job; job.ErrDraining: the hub was shut before
// the end; that of ctx; what a journal says that cannot be read.
func (h *Hub) Wait(ctx context.Context, id job.ID) (job.Record, error) {
	w := &waiter{end: make(chan job.Record, 1), feeds: make(chan struct{}, 1)}

	h.mu.Lock()
	h.await(w, id)
	h.mu.Unlock()

	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()

		h.release(w, id)
		delete(h.watchers, w)
	}()

	for {
		rec, over, err := h.hasEnded(id)

		select {
		case rec = <-w.end:
			return rec, nil
		default:
		}

		if over || err != nil {
			return rec, err
		}

		select {
		case rec = <-w.end:
			return rec, nil
		case <-w.feeds:
		case <-h.down:
			return job.Record{}, errShut
		case <-ctx.Done():
			return job.Record{}, context.Cause(ctx)
		}
	}
}

// hasEnded returns the job if the journals say that it has ended.
func (h *Hub) hasEnded(id job.ID) (job.Record, bool, error) {
	h.mu.Lock()
	views, complete := h.views()
	h.mu.Unlock()

	found, err := find(id, views)

	switch {
	case err != nil:
		return found.rec, false, err
	case found.at != nil:
		return found.rec, found.at.isTold(&found.rec), nil
	case complete && !found.unsure:
		return found.rec, false, fmt.Errorf("job %s: %w", id, fs.ErrNotExist)
	}

	return found.rec, false, nil
}
