package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/spool"
)

const (
	// goneEvery is how often it is looked whether old handlers have ended.
	goneEvery = 20 * time.Millisecond
	// killedGrace is how long a handler that was killed may take to be gone.
	killedGrace = 5 * time.Second
)

// ErrOldHandlers says that handlers of an earlier daemon could not be ended, so
// that nothing was mended.
var ErrOldHandlers = errors.New("old handlers could not be ended")

// endHandlers ends the handlers of an earlier daemon. The pool would do that
// beside its work; but here nobody would wait for the end.
func (c *fsck) endHandlers(ctx context.Context, s *spool.Spool) error {
	old, err := s.OldHandlers()
	if err != nil {
		return err //nolint:wrapcheck // it says what it is
	}

	for _, try := range []struct {
		signals []syscall.Signal
		wait    time.Duration
	}{
		{[]syscall.Signal{syscall.SIGTERM, syscall.SIGCONT}, c.cfg.KillAfter},
		{[]syscall.Signal{syscall.SIGKILL}, killedGrace / 2},
		{[]syscall.Signal{syscall.SIGKILL}, killedGrace / 2}, // what it has started as it was looked for
	} {
		ids := make([]job.ID, 0, len(old))
		for _, h := range old {
			ids = append(ids, h.Job)
		}

		s.SignalHandlers(ids, try.signals...)

		if old = waitGone(ctx, s, old, try.wait); len(old) == 0 {
			return nil
		}
	}

	return fmt.Errorf("%w: nothing was mended: somebody has .importerd/locks/%s open", ErrOldHandlers, old[0].Job)
}

// waitGone waits until no handler lives, but no longer than wait, and returns
// those that do.
func waitGone(ctx context.Context, s *spool.Spool, old []job.OldHandler, wait time.Duration) []job.OldHandler {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()

	tick := time.NewTicker(goneEvery)
	defer tick.Stop()

	for {
		old = slices.DeleteFunc(slices.Clone(old), func(h job.OldHandler) bool { return s.HandlerGone(h.Job) })
		if len(old) == 0 {
			return nil
		}

		select {
		case <-tick.C:
		case <-ctx.Done():
			return old
		}
	}
}

// husks reports the directories for results that no open job will use, and
// drops them.
func (c *fsck) husks(get func(job.ID) (journal.Entry, error), drop func(job.ID) error) error {
	last := c.findings.last()

	for _, id := range c.work {
		rec, known := last[id]
		if !known {
			e, err := get(id)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}

			known, rec = err == nil, e.Record
		}

		if known && !rec.State.Ended() || c.findings.wasPublished(id) {
			continue
		}

		err := drop(id)
		if err != nil {
			return err
		}

		c.findings.add(Finding{
			Place: own("work/" + id.String()), Job: id, Found: "holds results of no job that is under way", Does: "removed",
		})
	}

	return nil
}
