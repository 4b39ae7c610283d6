package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"importerd/internal/job"
)

// Draft is a file that lies, flushed, on the spool's disk, but has no name yet.
type Draft interface {
	File() job.File
	// Appear puts it into deferred/ under name or, where that is taken, with the id
	// in it, and returns the name that it got.
	Appear(name string, id job.ID) (string, error)
}

// Acceptance says as what a draft is to be accepted.
type Acceptance struct {
	ID     job.ID // zero: a new one
	Name   string // as job.CheckName allows; empty: start-<id>
	Origin job.Origin
}

// Accept makes a draft the file of a new job, which is due at once. When it returns
// the job survives a power cut. It may be called from many goroutines.
//
// Errors, after which there is no such job: *job.KnownError; *job.BusyError and
// job.ErrPaused for triggers; job.ErrDisk, job.ErrDraining, job.ErrDegraded. After
// job.ErrUntrusted nobody knows.
func (p *Pool) Accept(ctx context.Context, d Draft, o Acceptance) (job.Record, error) {
	if err := context.Cause(ctx); err != nil {
		return job.Record{}, err
	}

	if err := p.door.enter(); err != nil {
		return job.Record{}, err
	}
	defer p.door.leave()

	if o.Origin == job.Triggered && p.Paused() {
		return job.Record{}, job.ErrPaused
	}

	if why := p.trouble.Load(); why != nil { // what little space there is is for outcomes
		return job.Record{}, fmt.Errorf("accept: %w: %s", job.ErrDisk, *why)
	}

	rec := p.born(d.File(), o)

	if err := p.deps.Births.Accept(rec); err != nil {
		p.suspect(err)

		return job.Record{}, fmt.Errorf("accept: %w", err)
	}

	name, err := d.Appear(rec.Name, rec.ID)
	if err != nil {
		p.disown(rec)

		return job.Record{}, fmt.Errorf("accept: %w", err)
	}

	if err := p.deps.Folders.Sync(job.DeferredFolder); err != nil {
		err = fmt.Errorf("accept: %w: %w", job.ErrUntrusted, err)
		p.suspect(err)

		return job.Record{}, err
	}

	rec.File, rec.Seen.Name = name, name

	return p.present(rec), nil
}

// born returns the record of a job whose file has no name yet. Where it is to
// appear stands in it as a move from nowhere.
func (p *Pool) born(f job.File, o Acceptance) job.Record {
	now := time.Now()

	if o.ID.IsZero() {
		o.ID = job.NewID()
	}

	if o.Name == "" {
		o.Name = "start-" + o.ID.String()
	}

	f.Name = o.Name

	return job.Record{
		ID: o.ID, Spool: p.cfg().Spool, Name: o.Name, File: o.Name, State: job.Deferred, Origin: o.Origin,
		Moving: &job.Move{To: job.DeferredFolder, Name: o.Name, ID: o.ID},
		Seen:   f, Size: f.Size, CreatedAt: now, DueAt: now,
	}
}

// present lets the pool begin with a job whose file has appeared. It is told before:
// afterwards it may have ended already.
func (p *Pool) present(rec job.Record) job.Record {
	rec.Moving = nil
	p.deps.Teller.Changed(rec, nil)

	if err := p.deps.Journal.Note(rec); err != nil { // the finisher tries until it can be noted
		p.suspect(err)
		p.post(func() { p.finish(&unit{rec: rec, from: job.DeferredFolder, at: job.DeferredFolder, moved: true}) })

		return rec
	}

	p.post(p.tidings)

	return rec
}

// disown forgets a job whose file could not appear. If that cannot be written, the
// loop tries again.
func (p *Pool) disown(rec job.Record) {
	if err := p.deps.Journal.Drop(rec.ID); err != nil {
		p.suspect(err)
		p.post(func() { p.state.undropped = append(p.state.undropped, &unit{rec: rec}) })
	}
}

// suspect ends the work if err says that the disk cannot be trusted.
func (p *Pool) suspect(err error) {
	if errors.Is(err, job.ErrUntrusted) {
		p.post(func() { p.lose(err) })
	}
}
