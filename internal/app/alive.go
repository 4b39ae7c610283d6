package app

import (
	"context"
	"time"

	"importerd/internal/job"
)

// monitored tells the watchdog that clients can be told of jobs, until ctx is done.
// The hub runs no loop of its own, so one asks it now and then: whoever kept its
// lock would make all that tells and listens hang.
func (a *App) monitored(ctx context.Context) error {
	beat, end, every := a.Loop("monitor")
	defer end()

	tick := time.NewTicker(every)
	defer tick.Stop()

	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.hub.Live(job.ID{})
			beat()
		}
	}
}

// Loop registers one more loop with the watchdog: it calls beat at least that often,
// and end when it has ended.
func (a *App) Loop(name string) (beat, end func(), every time.Duration) {
	dog := a.notifier.Watchdog()
	p := dog.Pulse(name)

	return p.Beat, p.End, dog.Interval()
}
