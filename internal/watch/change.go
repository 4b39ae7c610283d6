package watch

import (
	"context"
	"slices"
)

// shift is the time in which one set of options holds.
type shift struct {
	opts  Options
	begun chan struct{} // closed by Run when a loop works under these options, and none under others
	over  chan struct{} // closed by Change when there are others
}

func newShift(opts Options) *shift {
	return &shift{opts: opts, begun: make(chan struct{}), over: make(chan struct{})}
}

// isOver says whether there are other options.
func (s *shift) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// present returns the last shift.
func (w *Watcher) present() *shift {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.shift
}

// Change gives the watch other rules: Match, Settle, Linger, Sweep, Ready, Marker
// and Order count, the rest of the options stays as it is. The watch begins anew
// with them, as at a start: events on, then a sweep; nothing slips through. When it
// returns nil nothing is handed over any more that was found ready under the old
// ones, unless ctx is done before; then that comes a little later. While the watch
// does not run the new rules are only noted. If they are no others nothing is done.
func (w *Watcher) Change(ctx context.Context, opts Options) error {
	next, err := w.follow(opts)
	if err != nil || next == nil || !w.started.Load() {
		return err
	}

	select {
	case <-next.begun:
	case <-next.over: // by another call
	case <-w.ended:
	case <-ctx.Done():
	}

	return nil
}

// follow ends the shift and returns the one that follows; nil: the rules are no others.
func (w *Watcher) follow(opts Options) (*shift, error) {
	w.mu.Lock()
	defer w.mu.Unlock()

	now := w.shift.opts
	opts.Path, opts.Husk, opts.Beat, opts.BeatEvery = now.Path, now.Husk, now.Beat, now.BeatEvery
	opts.Log, opts.newSource = now.Log, now.newSource

	opts, err := opts.check()
	if err != nil || opts.sameRules(now) {
		return nil, err
	}

	before := w.shift
	w.shift = newShift(opts)
	close(before.over)

	return w.shift, nil
}

// sameRules says whether what Change takes is the same in both.
func (o Options) sameRules(other Options) bool {
	return slices.Equal(o.Match, other.Match) && o.Settle == other.Settle && o.Linger == other.Linger &&
		o.Sweep == other.Sweep && o.Ready == other.Ready && o.Marker == other.Marker && o.Order == other.Order
}
