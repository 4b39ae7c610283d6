package process

import (
	"context"
	"sync"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// grip is how the loop holds on to an attempt that runs beside it: what a person
// wants of it, and what is told of it. Loop and attempt both use it.
type grip struct {
	cancel  context.CancelCauseFunc // ends the attempt
	teller  Teller
	changed chan struct{} // set sends, mind receives; holds one; never closed

	mu       sync.Mutex    // held while something is told, so that it is told in order
	wish     job.Wish      // guarded by mu
	frozen   bool          // guarded by mu; the handler has taken that it is to be frozen
	over     bool          // guarded by mu; the handler has ended
	settled  chan struct{} // guarded by mu; closed when one of both has come about; nil: nobody waits
	progress *float64      // guarded by mu; as last reported
	limit    time.Duration // guarded by mu; that begin has set and mind has not taken; zero: none
}

func newGrip(cancel context.CancelCauseFunc, teller Teller) *grip {
	return &grip{cancel: cancel, teller: teller, changed: make(chan struct{}, 1)}
}

// wanted returns what a person wants of the attempt.
func (g *grip) wanted() job.Wish {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.wish
}

// pausing says whether a pause has come about, and on what to wait for that: nil
// when the handler has ended instead.
func (g *grip) pausing() (bool, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()

	if g.frozen || g.over {
		return g.frozen && !g.over, nil
	}

	if g.settled == nil {
		g.settled = make(chan struct{})
	}

	return false, g.settled
}

// settle notes what has come about.
func (g *grip) settle(frozen, over bool) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.frozen, g.over = frozen, over

	if g.settled != nil && (frozen || over) {
		close(g.settled)
		g.settled = nil
	}
}

// set brings about what a person wants and tells how the job is then.
func (g *grip) set(wish job.Wish, rec job.Record) {
	g.mu.Lock()
	g.wish = wish
	g.mu.Unlock()

	if wish == job.WishTerminate {
		g.cancel(handler.ErrTerminate)
	} else {
		g.tell(rec, nil)
	}

	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// tell tells of the job while its attempt is under way.
func (g *grip) tell(rec job.Record, progress *float64) {
	g.mu.Lock()
	defer g.mu.Unlock()

	if progress != nil {
		g.progress = progress
	}

	rec.Wish = g.wish
	g.teller.Changed(rec, g.progress)
}

// begin has the attempt ended when limit is over from now on; zero: never.
func (g *grip) begin(limit time.Duration) {
	if limit == 0 {
		return
	}

	g.mu.Lock()
	g.limit = limit
	g.mu.Unlock()

	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// begun returns the limit that begin has set since it was last asked; zero: none.
func (g *grip) begun() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()

	limit := g.limit
	g.limit = 0

	return limit
}

// mind looks after a running attempt until done is closed: it freezes it and lets
// it go on as is wanted, and ends it when limit is over, if that is not zero; it may
// also be set by begin. What it was frozen for does not count.
func (g *grip) mind(ctx context.Context, done <-chan struct{}, limit time.Duration, freeze chan<- bool) {
	watch := newStopwatch(limit)
	defer watch.stop()

	frozen := false

	for {
		var out chan<- bool

		want := g.wanted() == job.WishPause
		if want != frozen && ctx.Err() == nil {
			out = freeze
		}

		select {
		case <-done:
			return
		case <-g.changed:
			if limit := g.begun(); limit > 0 {
				watch.left = limit
				watch.hold(frozen)
			}
		case <-watch.timer.C:
			g.cancel(handler.ErrTimeout)
		case out <- want:
			frozen = want
			watch.hold(frozen)
			g.settle(frozen, false)
		}
	}
}

// stopwatch is a timer that can be halted.
type stopwatch struct {
	timer *time.Timer
	left  time.Duration // when it last began to run; zero: it never ends
	since time.Time
}

func newStopwatch(limit time.Duration) *stopwatch {
	w := &stopwatch{timer: time.NewTimer(max(limit, idleWait)), left: limit}
	w.hold(false)

	return w
}

// hold halts the timer or lets it run on.
func (w *stopwatch) hold(halted bool) {
	w.timer.Stop()

	switch {
	case w.left == 0:
	case halted:
		w.left = max(w.left-time.Since(w.since), 1)
	default:
		w.since = time.Now()
		w.timer.Reset(w.left)
	}
}

func (w *stopwatch) stop() { w.timer.Stop() }

// silent is a teller to whom nobody listens.
type silent struct{}

// Ended does nothing, as all below.
func (silent) Ended(job.Record) {}

// Withhold does nothing.
func (silent) Withhold([]job.ID) {}

// Changed does nothing.
func (silent) Changed(job.Record, *float64) {}

// Started does nothing.
func (silent) Started(job.Record, time.Time) {}

// Attempted does nothing.
func (silent) Attempted(job.Record, job.Verdict) {}
