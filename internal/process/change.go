package process

import (
	"context"
	"fmt"
	"slices"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// rules are what can change while a pool works. Nobody writes to them.
type rules struct {
	cfg     Config
	handler handler.Handler
	notify  notify
}

// check says what is wrong with c.
func (c *Config) check() error {
	if c.Workers < 1 || c.Attempts < 1 || c.BeatEvery <= 0 || c.Backoff.Min <= 0 || c.Backoff.Max < c.Backoff.Min {
		return fmt.Errorf("bug: pool of spool %q: workers %d, attempts %d, backoff %v, beat every %v",
			c.Spool, c.Workers, c.Attempts, c.Backoff, c.BeatEvery)
	}

	return nil
}

// cfg returns the settings as they are now.
func (p *Pool) cfg() Config { return p.rules.Load().cfg }

// Change gives the pool other settings, another handler, and another Notify. They
// hold for all attempts that begin after it; those under way go on under the old
// ones to their verdict. A file that was ready and is not claimed yet is given back
// to the watcher, who is asked to look at it again: tell it of its new rules
// before. A broken handler is tried at once. cfg.Spool and cfg.BeatEvery must stay
// as they are.
//
// It may be called at any time. While the pool is not running, or no more is
// claimed, the new settings are only noted; so it is if ctx is done before the loop
// comes round.
func (p *Pool) Change(
	ctx context.Context, cfg Config, h handler.Handler, call func(context.Context, job.Record, []byte) error,
) error {
	if err := cfg.check(); err != nil {
		return err
	}

	next := &rules{cfg, h, call}

	// In the loop, or a file could be claimed for the new handler that was found
	// ready under the old rules.
	if p.ran.Load() && p.ask(ctx, func() { p.adopt(next) }) {
		return nil
	}

	p.rules.Store(next)

	return nil
}

// TryAgain has a broken handler tried at once, as at the resume of a spool.
func (p *Pool) TryAgain(ctx context.Context) {
	if p.ran.Load() {
		p.ask(ctx, p.tryAgain)
	}
}

// adopt acts upon new rules, in the loop.
func (p *Pool) adopt(next *rules) {
	p.rules.Store(next)

	if p.state.closed {
		return
	}

	p.giveBack()
	p.deps.LoopPulse.Waiting()

	if err := p.cutDue(); err != nil { // the backoff may be a shorter one
		p.doubt(err)
	}

	p.deps.LoopPulse.Back()
	p.tryAgain()
}

// giveBack gives the files that were taken over but not claimed back to the
// watcher. One whose flush is under way is kept until that has ended: a second one
// beside it would hide that the disk has refused the first.
func (p *Pool) giveBack() {
	s := &p.state

	for _, u := range slices.Concat(s.fresh, s.flushed) {
		p.forget(u)
		p.deps.Look(u.rec.Name)
	}

	s.fresh, s.flushed = nil, nil

	for u := range s.flushing {
		u.stale = true
	}
}

// tryAgain opens the gate of a broken handler, in the loop.
func (p *Pool) tryAgain() {
	if p.state.closed {
		return
	}

	if err := p.unbreak(); err != nil {
		p.doubt(err)
	}
}

// overtaken hastens a job that was found to have a broken handler, if somebody said
// that it works again while that was being written.
func (p *Pool) overtaken(u *unit) {
	if u.verdict != job.Broken || u.rec.State != job.Deferred || p.state.broken.closed || p.state.closed {
		return
	}

	if err := p.hasten(u.rec.DueAt); err != nil {
		p.doubt(err)
	}
}

// unbreak lets all jobs to a handler that was broken.
func (p *Pool) unbreak() error {
	next := p.state.broken.next
	if !p.state.broken.open() {
		return nil
	}

	return p.hasten(next)
}
