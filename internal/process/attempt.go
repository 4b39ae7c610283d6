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
	handler.Attempt // its Owner is this

	unit    *unit
	release func()    // gives the lock back
	since   time.Time // when it was made ready
	before  before    // that
}

// before is what making an attempt ready overwrites of the record.
type before struct {
	started time.Time
	exit    *job.Exit
	err     string
	busy    int
}

// unready takes back that the attempt of a unit was made ready.
func (u *unit) unready() {
	b := u.ready.before
	u.ready.release()
	u.ready = nil

	u.rec.Attempt--
	u.rec.StartedAt, u.rec.Exit, u.rec.Error, u.rec.Busy = b.started, b.exit, b.err, b.busy
}

// attempt runs the handler on the units' files, which are first taken into processing/
// where they are not there yet. What came of it stands in the units.
func (p *Pool) attempt(units []*unit) {
	ready, others := p.begin(units)
	if len(others) > 0 {
		p.dismiss(others...)
	}

	if len(ready) == 0 {
		return
	}

	attempts := make([]*attempt, len(ready))

	for i, u := range ready {
		if u.trial { // the handler may run for hours: others need not wait for its end
			serial := u.serial
			p.post(func() { p.judgeDisk(serial, nil) })
		}

		attempts[i] = p.depart(u)
		p.announce(attempts[i])
	}

	if h, ok := units[0].rules.handler.(handler.Starter); ok { // all have the same rules
		p.start(h, attempts)

		return
	}

	for _, a := range attempts[1:] {
		p.flights.Go(func() { p.run(a) })
	}

	p.run(attempts[0])
}

// announce tells that an attempt begins.
func (p *Pool) announce(a *attempt) {
	u := a.unit

	p.line(p.deps.Log.Debug(), &u.rec).Msg("job started")
	u.grip.tell(u.rec, nil)

	if u.first {
		p.deps.Teller.Started(u.rec, u.arrival())
	}
}

// run makes an attempt that is recorded.
func (p *Pool) run(a *attempt) {
	u := a.unit

	if !u.rules.cfg.Shared {
		u.grip.begin(u.rules.cfg.Timeout)
	}

	a.Exit = u.rules.handler.Run(a.Context, a.Task)

	p.over(a)
	p.dismiss(a.unit)
}

// start has attempts made that come back by Ended.
func (p *Pool) start(h handler.Starter, attempts []*attempt) {
	p.flights.Add(len(attempts))

	begun := make([]*handler.Attempt, len(attempts))
	for i, a := range attempts {
		a.Owner = a
		begun[i] = &a.Attempt
	}

	h.Start((*sink)(p), begun)
}

// sink is the pool as its handler sees it.
type sink Pool

// Ended takes attempts that have ended.
func (s *sink) Ended(ended []*handler.Attempt) {
	p := (*Pool)(s)

	p.flights.Go(func() { p.overAll(ended) })
	p.flights.Add(-len(ended))
}

// overAll ends attempts that have ended together. Those that may take long keep none of
// the others waiting.
func (p *Pool) overAll(ended []*handler.Attempt) {
	units := make([]*unit, 0, len(ended))

	for _, e := range ended {
		a, ok := e.Owner.(*attempt)

		switch {
		case !ok:
			panic("bug: an attempt of somebody else has ended")
		case e.Exit.Signal != "" || a.unit.rules.cfg.Results:
			p.flights.Go(func() {
				p.over(a)
				p.dismiss(a.unit)
			})
		default:
			p.over(a)

			units = append(units, a.unit)
		}
	}

	p.dismiss(units...)
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
func (p *Pool) over(a *attempt) {
	u := a.unit

	u.grip.end()

	exit := a.Exit // of its own: it is kept longer than the attempt
	u.rec.Exit = &exit
	if checkpoint := u.grip.keep(nil); checkpoint != nil {
		u.rec.Checkpoint = *checkpoint
	}

	cause := p.causeOf(a)

	a.release()
	p.review(u, cause)
}

// causeOf returns why an attempt was asked to end. A handler that died of a
// signal during our drain, or up to a second before it began, was asked too: a
// supervisor may have sent the signal to all of us.
func (p *Pool) causeOf(a *attempt) error {
	switch err := context.Cause(a.Context); {
	case errors.Is(err, handler.ErrTimeout), errors.Is(err, handler.ErrTerminate):
		return err
	case err != nil:
		return handler.ErrStop
	case a.Exit.Signal == "":
		return nil
	}

	grace := time.NewTimer(signalGrace)
	defer grace.Stop()

	select {
	case <-p.intake:
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
