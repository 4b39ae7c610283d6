package keep

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"time"

	"importerd/internal/job"
)

// logs removes logs of done jobs, and of such as nobody knows any more, that
// are too old, and the oldest ones beyond the space that they may take. Logs of
// other jobs stay as long as these.
func (k *Keeper) logs(ctx context.Context) error {
	now, err := k.now(ctx)
	if err != nil {
		return err
	}

	c := &census{now: now, keep: k.cfg.Logs}

	if err := k.disk(ctx, func() error { return k.count(ctx, c) }); err != nil {
		return err
	}

	if c.total > k.cfg.Space {
		if err := k.disk(ctx, func() error { return k.discount(ctx, c) }); err != nil {
			return err
		}
	}

	if !c.limit(k.cfg.Space) {
		return nil
	}

	return k.cut(ctx, c)
}

// count takes stock of all logs.
func (k *Keeper) count(ctx context.Context, c *census) error {
	for log, err := range k.deps.Logs.Logs() {
		if err != nil {
			return err
		}

		if ctx.Err() != nil {
			return errStop
		}

		c.add(log, log.Space)
	}

	return nil
}

// discount takes the logs of jobs that are not done out of the stock. These are
// few; to ask of each log whose it is would take long.
func (k *Keeper) discount(ctx context.Context, c *census) error {
	for id, err := range k.deps.History.Lasting() {
		if err != nil {
			return err
		}

		if ctx.Err() != nil {
			return errStop
		}

		if log, err := k.deps.Logs.Log(id); err == nil { // otherwise there is none, or it was not counted
			c.add(log, -log.Space)
		}
	}

	return nil
}

// cut removes the logs that are beyond the limit.
func (k *Keeper) cut(ctx context.Context, c *census) error {
	var some []Log

	flush := func() error {
		if _, err := k.now(ctx); err != nil {
			return err
		}

		err := k.disk(ctx, func() error { return k.removeLogs(ctx, c, some) })
		some = some[:0]

		return err
	}

	for log, err := range k.deps.Logs.Logs() {
		if err != nil {
			return err
		}

		if ctx.Err() != nil {
			return errStop
		}

		if !c.beyond(log) {
			continue
		}

		if some = append(some, log); len(some) < batch {
			continue
		}

		if err := flush(); err != nil {
			return err
		}
	}

	if len(some) == 0 {
		return nil
	}

	return flush()
}

// removeLogs removes those of the logs whose jobs do not need them any more.
func (k *Keeper) removeLogs(ctx context.Context, c *census, logs []Log) error {
	for _, log := range logs {
		if ctx.Err() != nil {
			return errStop
		}

		if !c.beyond(log) { // enough has gone meanwhile
			continue
		}

		state, err := k.deps.History.State(log.Job)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}

		if err == nil && state != job.Done {
			continue
		}

		if err := unlessGone(k.deps.Logs.RemoveLog(log.Job)); err != nil {
			k.stick(log.Job.String()+".log", err)

			continue
		}

		c.gone(log)

		k.round.logs++
	}

	return nil
}

const (
	// ages is how many classes of age there are: enough for a hundred years.
	ages = 1024
	// perDoubling is how many of them there are from one age to twice that.
	perDoubling = 32
)

// census says how much of the disk logs of each age take. Classes instead of a
// sorted list: its size does not depend on how many logs there are. So what
// goes first is the oldest to two parts in a hundred.
type census struct {
	now   time.Time
	keep  time.Duration
	space [ages]int64 // by class; of those that are not too old
	total int64       // of space
	old   bool        // some are too old

	last   int   // class of which some must go; all of the higher ones
	excess int64 // how much of it
}

// class returns the class of a log's age; ages: it is too old.
func (c *census) class(log Log) int {
	age := c.now.Sub(log.Mtime)

	switch {
	case age >= c.keep:
		return ages
	case age <= 0:
		return 0
	}

	return min(int(perDoubling*math.Log2(1+age.Minutes())), ages-1)
}

// add adds space to that of the logs of the log's age.
func (c *census) add(log Log, space int64) {
	class := c.class(log)
	if class == ages {
		c.old = true

		return
	}

	c.space[class] += space
	c.total += space
}

// limit finds out what is beyond space, and says whether there may be anything.
func (c *census) limit(space int64) bool {
	c.last = ages

	for class, taken := range c.space {
		if taken > space {
			c.last, c.excess = class, taken-space

			return true
		}

		space -= taken
	}

	return c.old
}

// beyond says whether the log is to go if its job is done.
func (c *census) beyond(log Log) bool {
	class := c.class(log)

	return class == ages || class > c.last || class == c.last && c.excess > 0
}

// gone notes that the log was removed.
func (c *census) gone(log Log) {
	if c.class(log) == c.last && c.last < ages {
		c.excess -= log.Space
	}
}
