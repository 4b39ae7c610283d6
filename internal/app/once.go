package app

import (
	"context"
	"time"
)

// onceEvery is how often a run with Once looks whether all is handled.
const onceEvery = 20 * time.Millisecond

// endWhenIdle begins the drain when all that was there is handled. Files that
// are open for writing, held or ignored are left, and so are jobs that are
// deferred to a later time.
func (a *App) endWhenIdle() {
	intake := a.stages.Intake()
	tick := time.NewTicker(onceEvery)

	defer tick.Stop()

	for calm := 0; calm < 2; { // twice: a job's end may have sent the watcher looking
		select {
		case <-tick.C:
		case <-intake.Done():
			return
		}

		if a.idle(intake) {
			calm++
		} else {
			calm = 0
		}
	}

	a.stages.Signal()
}

// idle says whether no spool has anything left that will go on by itself.
func (a *App) idle(ctx context.Context) bool {
	for _, l := range a.lines {
		s := l.session.Load()

		switch {
		case s == nil:
			return false
		case !s.watcher.Counts().Exhausted || !s.pool.Idle(ctx):
			return false
		case !s.watcher.Counts().Exhausted:
			return false
		}
	}

	return true
}

// unfinished says whether any file is failed or deferred.
func (a *App) unfinished() bool {
	for _, l := range a.lines {
		s := l.session.Load()
		if s == nil {
			return true
		}

		if c := s.pool.Counts(); c.Failed > 0 || c.Deferred > 0 {
			return true
		}
	}

	return false
}
