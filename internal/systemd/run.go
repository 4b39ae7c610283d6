package systemd

import (
	"context"
	"time"
)

const (
	// rest is the least time between two statuses and between two tries.
	rest = time.Second

	// patience is how long one round of sending may take, also the last one.
	patience = time.Second

	// extension is what is asked for each second while the daemon is busy: some
	// lost or late datagrams must do no harm.
	extension = 5 * time.Second
)

// Run tells the supervisor what the other methods write down, until ctx is done;
// then it tells what is left, for a second at most, and returns nil. What cannot
// be told is tried again each second and logged once for each kind of trouble.
// It may be run once; a second time is ErrRan.
func (n *Notifier) Run(ctx context.Context) error {
	if n.ran.Swap(true) {
		return ErrRan
	}

	if n.send == nil {
		<-ctx.Done()

		return nil
	}

	r := &round{n: n, told: map[string]bool{}, timer: time.NewTimer(rest)}
	r.timer.Stop()

	turns, stop := n.dog.turns()
	defer stop()

	for {
		hang("supervisor") // it has no pulse: the watchdog lives in this loop

		select {
		case <-ctx.Done():
			r.timer.Stop()
			r.resting, r.failed = false, false
			r.tell()

			return nil
		case <-n.wake:
		case <-r.timer.C:
			r.resting, r.failed = false, false
		case <-turns:
			r.alive = n.dog.allAlive()
		}

		r.tell()
	}
}
