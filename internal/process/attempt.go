package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// signalGrace is how long before our own stop signal the same signal may have reached a
// handler: a supervisor sends to all at once.
const signalGrace = time.Second

// attempt is one run of the handler. Until it is over the unit's rec is only read.
type attempt struct {
	unit    *unit
	task    handler.Task
	release func() // gives the lock back
}

// attempt runs the handler on the units' files, which are first taken into processing/
// where they are not there yet. What came of it stands in the units.
func (p *Pool) attempt(intake context.Context, units []*unit) {
	attempts := p.begin(units)

	for i, a := range attempts {
		if i < len(attempts)-1 {
			p.flights.Go(func() { p.run(intake, a) })
		} else {
			p.run(intake, a)
		}
	}
}

// run makes an attempt that is recorded.
func (p *Pool) run(intake context.Context, a *attempt) {
	u := a.unit

	if !u.rules.cfg.Shared {
		u.grip.begin(u.rules.cfg.Timeout)
	}

	p.line(p.deps.Log.Debug(), &u.rec).Msg("job started")
	u.grip.tell(u.rec, nil)

	if u.first {
		p.deps.Teller.Started(u.rec, u.arrival())
	}

	exit := u.rules.handler.Run(u.grip.ctx, a.task)

	p.over(intake, a, exit)
}

// report notes and tells what the handler reports.
func (a *attempt) report(r handler.Report) {
	u := a.unit
	checkpoint := u.grip.keep(r.Checkpoint)

	if r.Progress != nil {
		rec := u.rec
		if checkpoint != nil {
			rec.Checkpoint = *checkpoint
		}

		u.grip.tell(rec, r.Progress)
	}
}

// over ends an attempt whose handler has ended.
func (p *Pool) over(intake context.Context, a *attempt, exit job.Exit) {
	u := a.unit

	u.grip.end()

	u.rec.Exit = &exit
	if checkpoint := u.grip.keep(nil); checkpoint != nil {
		u.rec.Checkpoint = *checkpoint
	}

	cause := p.causeOf(u.grip.ctx, intake, exit)

	a.release()
	p.review(u, cause)
	p.dismiss(u)
}

// causeOf returns why an attempt was asked to end. A handler that died of a
// signal during our drain, or up to a second before it began, was asked too: a
// supervisor may have sent the signal to all of us.
func (p *Pool) causeOf(ctx, intake context.Context, exit job.Exit) error {
	switch err := context.Cause(ctx); {
	case errors.Is(err, handler.ErrTimeout), errors.Is(err, handler.ErrTerminate):
		return err
	case err != nil:
		return handler.ErrStop
	case exit.Signal == "":
		return nil
	}

	grace := time.NewTimer(signalGrace)
	defer grace.Stop()

	select {
	case <-intake.Done():
		return handler.ErrStop
	case <-grace.C:
		return nil
	}
}

// review judges the attempt by how it ended and by what became of the file.
func (p *Pool) review(u *unit, cause error) {
	u.verdict = judge(*u.rec.Exit, cause)
	u.rec.Error = describe(*u.rec.Exit, cause)

	f, err := p.deps.Folders.Probe(job.ProcessingFolder, u.rec.File)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.gone = true
	case errors.Is(err, job.ErrNotRegular):
		u.gone, u.rec.Changed = true, true
		if err := p.setAside(u.rec.File); err != nil { // upkeep tries again
			p.line(p.deps.Log.Error(), &u.rec).Err(err).Msg("not set aside")
		}
	case errors.Is(err, job.ErrOpen):
		if u.verdict == job.Succeeded {
			u.verdict = job.Refused
		}

		u.rec.Error = "changed while handled: somebody has the file open for writing"
		u.rec.Changed = true
	case f.Ino != 0:
		u.rec.Changed = !f.Untouched(u.file)
		u.rec.Seen = f
	}

	p.keepResults(u)
}

// keepResults flushes what a successful attempt produced, and drops the rest.
func (p *Pool) keepResults(u *unit) {
	if !u.rules.cfg.Results {
		return
	}

	if u.verdict == job.Succeeded {
		err := p.deps.Results.FlushResults(u.rec.ID)
		if err == nil {
			u.results = true

			return
		}

		u.verdict = job.Refused
		u.rec.Error = fmt.Sprintf("its results could not be flushed: %v", err)
	}

	if err := p.deps.Results.DropResults(u.rec.ID); err != nil {
		p.line(p.deps.Log.Warn(), &u.rec).Err(err).Msg("results not removed")
	}
}

// setAside takes what is no file out of processing/.
func (p *Pool) setAside(name string) error {
	path, err := p.deps.Papers.SetAside(name)
	if err != nil {
		return err
	}

	p.deps.Log.Warn().Str("file", job.Show(name)).Str("path", job.Show(path)).
		Msg("handler left something that is not a file")

	return nil
}
