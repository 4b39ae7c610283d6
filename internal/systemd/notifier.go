package systemd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

// ErrRan says that a notifier was run a second time. Make a new one.
var ErrRan = errors.New("the notifier has been run already")

// phase is what the supervisor has been told last.
type phase string

const (
	starting  phase = "starting"
	ready     phase = "ready"
	reloading phase = "reloading"
	stopping  phase = "stopping"
)

// Notifier tells the supervisor how the daemon is. Its methods may be called
// from several goroutines and never block: they only write down what is to be
// told, and Run, which must be running for it, tells it. Where there is no
// supervisor that is all.
type Notifier struct {
	log  zerolog.Logger
	dog  *Watchdog
	send func(message string, deadline time.Time) error // nil: nobody listens
	wake chan struct{}                                  // all methods send without waiting, Run receives, nobody closes
	ran  atomic.Bool

	mu     sync.Mutex
	phase  phase
	queue  []string // datagrams that change the phase, the next one first; a handful at most
	status string
	busy   []<-chan struct{} // closed when what takes so long is over
}

// New returns a notifier for what env names.
func New(log zerolog.Logger, env Env) *Notifier {
	n := &Notifier{
		log:   log,
		dog:   &Watchdog{log: log},
		wake:  make(chan struct{}, 1),
		phase: starting,
	}

	if env.NotifySocket != "" {
		n.send = datagram(env.NotifySocket)
		n.dog.limit = env.Watchdog
	}

	return n
}

// Watchdog returns the watchdog with which the daemon's loops register.
func (n *Notifier) Watchdog() *Watchdog { return n.dog }

// Ready tells that the start is over, or the reload that Reloading began. It is
// told once for each of them.
func (n *Notifier) Ready() {
	n.change(func() {
		if n.phase == starting || n.phase == reloading {
			n.phase = ready
			n.queue = append(n.queue, daemon.SdNotifyReady)
		}
	})
}

// Reloading tells that a reload has begun; Ready ends it. During the start, a
// reload or the stop it does nothing.
func (n *Notifier) Reloading() {
	n.change(func() {
		if n.phase != ready {
			return
		}

		n.phase = reloading

		// A reload that is over before it could be told needs no telling: so the
		// queue stays short while nobody reads. The last two are just that, for
		// only the first Ready does not follow a Reloading.
		if last := len(n.queue) - 2; last >= 0 {
			n.queue = n.queue[:last]
		}

		// The moment counts, not that of the sending. It comes with a line break.
		moment := strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n")
		n.queue = append(n.queue, daemon.SdNotifyReloading+"\n"+moment)
	})
}

// Stopping tells that the stop has begun.
func (n *Notifier) Stopping() {
	n.change(func() {
		if n.phase != stopping {
			n.phase = stopping
			n.queue = append(n.queue, daemon.SdNotifyStopping)
		}
	})
}

// Status shows text as the daemon's status: one line for people. Of several
// within a second only the latest is told, and only if it is another one.
// Control characters become spaces, and 1,024 bytes are kept.
func (n *Notifier) Status(text string) {
	text = clean(text)
	n.change(func() { n.status = text })
}

// Busy asks each second for five seconds more, until ctx is done: for a start, a
// reload or a stop that may last longer than the unit file foresees. Give it a context
// with an end, or nothing bounds the stop any more.
func (n *Notifier) Busy(ctx context.Context) {
	n.change(func() { n.busy = append(n.ongoing(), ctx.Done()) })
}

// change writes something down and wakes Run.
func (n *Notifier) change(write func()) {
	n.mu.Lock()
	write()
	n.mu.Unlock()

	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// ongoing returns those in busy that are not over yet. The caller holds mu.
func (n *Notifier) ongoing() []<-chan struct{} {
	return slices.DeleteFunc(n.busy, func(over <-chan struct{}) bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	})
}

// next takes the next datagram out of the queue; empty: there is none.
func (n *Notifier) next() string {
	n.mu.Lock()
	defer n.mu.Unlock()

	if len(n.queue) == 0 {
		return ""
	}

	message := n.queue[0]
	n.queue = n.queue[1:]

	return message
}

// putBack returns a datagram that could not be sent to the head of the queue.
func (n *Notifier) putBack(message string) {
	n.mu.Lock()
	defer n.mu.Unlock()

	n.queue = slices.Insert(n.queue, 0, message)
}

// now returns the status as it is and whether the daemon is busy.
func (n *Notifier) now() (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()

	n.busy = n.ongoing()

	return n.status, len(n.busy) > 0
}
