package systemd

import "sync/atomic"

// Pulse is the sign of life of one loop. Beat, Waiting and Back cost an atomic
// operation or two and may be called from several goroutines.
type Pulse struct {
	dog     *Watchdog
	name    string
	beaten  atomic.Bool  // since the watchdog's last look
	waiting atomic.Int64 // how many wait for the disk
	late    bool         // guarded by dog.mu: the log says that it has not come round
}

// Beat says that the loop has come round. A loop calls it at each turn.
func (p *Pulse) Beat() {
	hang(p.name)
	p.beat()
}

// beat is Beat without the hook.
func (p *Pulse) beat() {
	// Reading first: a loop that turns quickly writes to memory once between two
	// looks only.
	if !p.beaten.Load() {
		p.beaten.Store(true)
	}
}

// Waiting says that the loop waits for the disk, which may take as long as it
// likes: until Back it counts as alive. Each Waiting needs its Back.
func (p *Pulse) Waiting() { p.waiting.Add(1) }

// Back says that the disk has answered. It is a beat too.
func (p *Pulse) Back() {
	// In this order, or the watchdog could look in between and see neither.
	p.beat()

	if p.waiting.Add(-1) < 0 {
		panic("bug: loop " + p.name + " is back from no waiting")
	}
}

// End says that the loop has ended: the watchdog forgets it.
func (p *Pulse) End() { p.dog.forget(p) }

// alive says whether the loop has come round since the last call or waits for
// the disk. It reads waiting first, for the reason given at Back.
func (p *Pulse) alive() bool {
	waiting := p.waiting.Load() > 0

	return p.beaten.Swap(false) || waiting
}
