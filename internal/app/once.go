package app

import (
	"context"
	"time"

	"importerd/internal/job"
)

// onceEvery is how often a run with Once looks whether all is handled.
const onceEvery = 20 * time.Millisecond

// maxLeft bounds the files of which a run with Once says why they are left.
const maxLeft = 100

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

	for _, l := range a.lines.all() {
		l.tellLeft(intake)
	}

	a.stages.Drain()
}

// tellLeft says why files stay in the inbox.
func (l *line) tellLeft(ctx context.Context) {
	told := 0

	for name, err := range l.spool.Names(job.InboxFolder) {
		if err != nil || told == maxLeft {
			return
		}

		if reason := l.explain(ctx, name); reason.Standing != "" {
			l.log.Info().Str("file", job.Show(name)).Str("standing", string(reason.Standing)).
				Str("reason", reason.Text).Msg("file left")

			told++
		}
	}
}

// explain says how a file in the inbox stands: the watcher sees it, the pool knows why
// one that is ready is not taken. No standing: the file is not there.
func (l *line) explain(ctx context.Context, name string) job.Reason {
	s := l.session.Load()
	if s == nil {
		return job.Reason{Standing: job.Held, Text: job.ReasonNotWatching}
	}

	seen := s.watcher.Explain(ctx, name)
	if seen.Standing != job.Ready {
		return seen
	}

	if reason, ok := s.pool.Explain(ctx, name); ok {
		return reason
	}

	return seen
}

// idle says whether no spool has anything left that will go on by itself.
func (a *App) idle(ctx context.Context) bool {
	for _, l := range a.lines.all() {
		s := l.session.Load()

		switch {
		case s == nil:
			return false
		case s.pool.Counts().Broken != "" && s.pool.Counts().Running == 0:
			continue // what waits for the handler will not be taken soon
		case s.looked() && s.pool.Halted(ctx):
			continue // what waits for a person will not be taken at all
		case !s.watcher.Counts().Exhausted || !s.pool.Idle(ctx):
			return false
		case !s.watcher.Counts().Exhausted:
			return false
		}
	}

	return true
}

// looked says whether the watcher has found all that is there, or anything that
// waits.
func (s *session) looked() bool {
	w := s.watcher.Counts()

	return w.Exhausted || w.Waiting > 0 || s.pool.Counts().Queued > 0
}

// unfinished says whether any file is failed, deferred, paused or held.
func (a *App) unfinished() bool {
	for _, l := range a.lines.all() {
		s := l.session.Load()
		if s == nil {
			return true
		}

		c := s.pool.Counts()
		if c.Failed > 0 || c.Deferred+c.Paused > 0 || c.Held > 0 || s.pool.Paused() && s.watcher.Counts().Waiting > 0 {
			return true
		}
	}

	return false
}
