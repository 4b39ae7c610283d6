package systemd

import (
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// defaultInterval is how often loops come round where nobody watches.
const defaultInterval = 10 * time.Second

// Watchdog vouches for the daemon's loops: a third of the supervisor's limit
// after the last time it looks whether each of them has come round since, and
// only then is WATCHDOG=1 sent. So a daemon in which one loop hangs is killed,
// however well its timers work. With no loop registered nothing is sent.
type Watchdog struct {
	log   zerolog.Logger
	limit time.Duration // zero: nobody watches

	mu     sync.Mutex
	pulses []*Pulse
	wired  bool // a loop has registered, or the log says that none has
}

// Interval returns how often each loop has to come round at least: twice between
// two looks of the watchdog, so that one that is late does not yet look dead.
// Where nobody watches it is ten seconds.
func (d *Watchdog) Interval() time.Duration {
	if d.limit <= 0 {
		return defaultInterval
	}

	return max(d.limit/6, time.Millisecond)
}

// Pulse registers a loop under a name for the log. It counts as alive up to the
// watchdog's next look, and then has to beat.
func (d *Watchdog) Pulse(name string) *Pulse {
	p := &Pulse{dog: d, name: name}
	p.beat()

	d.mu.Lock()
	defer d.mu.Unlock()

	d.pulses = append(d.pulses, p)
	d.wired = true

	return p
}

// turns returns the channel that says when to look, and the function that ends
// it. The channel is nil where nobody watches.
func (d *Watchdog) turns() (<-chan time.Time, func()) {
	if d.limit <= 0 {
		return nil, func() {}
	}

	ticker := time.NewTicker(max(d.limit/3, time.Millisecond))

	return ticker.C, ticker.Stop
}

// allAlive says whether there are loops and each has come round since the last
// call. Which has not is logged once, and again when it comes round.
func (d *Watchdog) allAlive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()

	if !d.wired {
		d.wired = true
		d.log.Warn().Msg("no loop to watch")
	}

	all := len(d.pulses) > 0

	for _, p := range d.pulses {
		alive := p.alive()
		all = all && alive

		if alive != p.late {
			continue
		}

		p.late = !alive

		if alive {
			d.log.Info().Str("loop", p.name).Msg("loop has come round again")
		} else {
			d.log.Error().Str("loop", p.name).Dur("limit", d.limit).Msg("loop has not come round")
		}
	}

	return all
}

// forget takes p out.
func (d *Watchdog) forget(p *Pulse) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.pulses = slices.DeleteFunc(d.pulses, func(other *Pulse) bool { return other == p })
}
