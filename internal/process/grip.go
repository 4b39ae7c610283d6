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
	ctx    context.Context         //nolint:containedctx // that of the attempt
	cancel context.CancelCauseFunc // ends the attempt
	teller Teller

	mu         sync.Mutex    // held while something is told, so that it is told in order
	wish       job.Wish      // guarded by mu
	frozen     bool          // guarded by mu; the handler has taken that it is to be frozen
	over       bool          // guarded by mu; the handler has ended
	settled    chan struct{} // guarded by mu; closed when one of both has come about; nil: nobody waits
	progress   *float64      // guarded by mu; as last reported
	checkpoint *string       // guarded by mu; as last reported
	watch      stopwatch     // guarded by mu
	freeze     chan bool     // guarded by mu; mind sends, the handler receives; nil: it cannot be frozen
	minder     *minder       // guarded by mu; nil: mind does not run
}

// minder is what mind goes by.
type minder struct {
	changed chan struct{} // set sends, mind receives; holds one; never closed
	done    chan struct{} // closed by end when the handler has ended
	gone    chan struct{} // closed by mind at its end
}

func newGrip(work context.Context, teller Teller) *grip {
	g := &grip{teller: teller}
	g.ctx, g.cancel = context.WithCancelCause(work)

	return g
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

// settle lets those look again who wait for a pause. mu is held.
func (g *grip) settle() {
	if g.settled != nil {
		close(g.settled)
		g.settled = nil
	}
}

// end notes that the handler has ended: nothing is sent to it any more.
func (g *grip) end() {
	g.mu.Lock()
	g.frozen, g.over = false, true
	g.watch.stop()
	g.settle()

	m := g.minder
	g.minder = nil
	g.mu.Unlock()

	if m != nil {
		close(m.done)
		<-m.gone
	}
}

// set brings about what a person wants and tells how the job is then.
func (g *grip) set(wish job.Wish, rec job.Record) {
	g.mu.Lock()
	g.wish = wish

	if wish == job.WishTerminate { // before mind looks: what is frozen is asked to end as it is
		g.cancel(handler.ErrTerminate)
	}

	g.summon()
	g.mu.Unlock()

	if wish != job.WishTerminate {
		g.tell(rec, nil)
	}
}

// freezer returns what the handler is frozen by.
func (g *grip) freezer() <-chan bool {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.freeze = make(chan bool)
	g.summon()

	return g.freeze
}

// summon has mind look what is wanted. It runs from the first pause on. mu is held.
func (g *grip) summon() {
	if g.minder == nil {
		if g.over || g.freeze == nil || g.wish != job.WishPause {
			return
		}

		g.minder = &minder{make(chan struct{}, 1), make(chan struct{}), make(chan struct{})}

		go g.mind(g.minder, g.freeze)
	}

	select {
	case g.minder.changed <- struct{}{}:
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

// keep notes a checkpoint; nil: none. It returns the last one.
func (g *grip) keep(checkpoint *string) *string {
	g.mu.Lock()
	defer g.mu.Unlock()

	if checkpoint != nil {
		g.checkpoint = checkpoint
	}

	return g.checkpoint
}

// begin has the attempt ended when limit is over from now on; zero: never. What it is
// frozen for does not count.
func (g *grip) begin(limit time.Duration) {
	if limit == 0 {
		return
	}

	g.mu.Lock()
	defer g.mu.Unlock()

	if !g.over {
		g.watch.start(limit, g.frozen, func() { g.cancel(handler.ErrTimeout) })
	}
}

// mind freezes a running attempt and lets it go on, as is wanted, until it has ended.
func (g *grip) mind(m *minder, freeze chan<- bool) {
	defer close(m.gone)

	frozen := false

	for {
		var out chan<- bool

		want := g.wanted() == job.WishPause
		if want != frozen && g.ctx.Err() == nil {
			out = freeze
		}

		select {
		case <-m.done:
			return
		case <-m.changed:
		case out <- want:
			frozen = want
			g.took(frozen)
		}
	}
}

// took notes what the handler has taken.
func (g *grip) took(frozen bool) {
	g.mu.Lock()
	defer g.mu.Unlock()

	if g.over {
		return
	}

	g.frozen = frozen
	g.watch.hold(frozen)

	if frozen {
		g.settle()
	}
}

// stopwatch calls somebody when its time is over. It can be halted. Its zero has no
// time to keep.
type stopwatch struct {
	timer *time.Timer   // nil: it keeps no time
	left  time.Duration // when it last began to run
	since time.Time     // when that was
}

// start lets it run anew, or halted.
func (w *stopwatch) start(limit time.Duration, halted bool, over func()) {
	if w.timer == nil {
		w.timer = time.AfterFunc(limit, over)
	}

	w.left, w.since = limit, time.Now()
	w.hold(halted)
}

// hold halts it or lets it run on.
func (w *stopwatch) hold(halted bool) {
	if w.timer == nil {
		return
	}

	w.timer.Stop()

	if halted {
		w.left = max(w.left-time.Since(w.since), 1)
	} else {
		w.since = time.Now()
		w.timer.Reset(w.left)
	}
}

// stop ends it.
func (w *stopwatch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

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
