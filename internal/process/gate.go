package process

import "time"

// Bounds of the wait between tries while the disk refuses.
const (
	diskWaitMin = 500 * time.Millisecond
	diskWaitMax = 30 * time.Second
)

// gate is something that closes for growing spans of time and lets single
// tries through between them.
type gate struct {
	closed bool
	why    string
	since  time.Time
	tries  int
	next   time.Time // of the next try
}

// close closes the gate, or closes it anew with a longer wait.
func (g *gate) close(why string, now time.Time, waits Backoff) {
	if !g.closed {
		g.since, g.tries = now, 0
	}

	g.closed, g.why = true, why
	g.tries++
	g.next = now.Add(waits.Wait(g.tries))
}

// lets says whether a try may be made at now.
func (g *gate) lets(now time.Time) bool { return !g.closed || !now.Before(g.next) }

// open opens the gate and says whether it was closed.
func (g *gate) open() bool {
	was := g.closed
	*g = gate{}

	return was
}

// shut says whether nothing is taken for the time being.
func (p *Pool) shut() bool {
	return p.state.broken.closed || p.state.disk.closed || p.trouble.Load() != nil
}
