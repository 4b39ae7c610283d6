package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"importerd/internal/job"
)

// PauseSpool stops claims and attempts, or begins them again: then a handler that
// was broken is tried anew. What runs goes on. It is durable when it returns.
//
// Errors: job.ErrDisk, job.ErrUntrusted, job.ErrDraining, job.ErrDegraded, the
// error of ctx.
func (p *Pool) PauseSpool(ctx context.Context, paused bool) error {
	var err error

	if askErr := p.enter(ctx, func() { err = p.pauseSpool(paused) }); askErr != nil {
		return askErr
	}

	return err
}

// Paused says whether a person has paused the spool. It may be called at any time.
func (p *Pool) Paused() bool { return p.paused.Load() }

// pauseSpool is PauseSpool within the loop.
func (p *Pool) pauseSpool(paused bool) error {
	if p.state.closed {
		return job.ErrDraining
	}

	err := p.record(func() error { return p.deps.Wishes.SetPaused(paused) })
	if err != nil {
		return err
	}

	if was := p.paused.Swap(paused); was != paused {
		p.deps.Log.Info().Bool("paused", paused).Msg("spool paused or resumed by a person")
	}

	if paused {
		p.shelve()

		return nil
	}

	return p.unbreak()
}

// hastened bounds how many jobs are made due at once because a person says that the
// handler works again. The others come when they are due.
const hastened = 256

// hasten makes those jobs due at once that wait for the next try of the handler.
func (p *Pool) hasten(next time.Time) error {
	due, _, err := p.deps.Index.Due(next, hastened)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}

	now := time.Now()
	due = slices.DeleteFunc(due, func(rec job.Record) bool { return !rec.DueAt.Equal(next) || p.engaged(&rec) })

	for i := range due {
		due[i].DueAt = now
	}

	return p.record(func() error { return p.deps.Journal.Note(due...) })
}

// record has the journal write something while a person waits for it.
func (p *Pool) record(write func() error) error {
	p.deps.LoopPulse.Waiting()
	defer p.deps.LoopPulse.Back()

	err := write()
	if errors.Is(err, job.ErrUntrusted) {
		p.lose(err)
	}

	return err
}

// enter runs f in the loop and waits for it.
func (p *Pool) enter(ctx context.Context, f func()) error {
	switch {
	case !p.ran.Load():
		return job.ErrDegraded
	case p.ask(ctx, f):
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		return job.ErrDraining
	}
}
