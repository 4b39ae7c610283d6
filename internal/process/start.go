package process

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"importerd/internal/job"
)

const (
	// idleWait is how long the loop waits when nothing is due; the beat wakes
	// it earlier.
	idleWait = time.Hour
	// orphanEvery is how often it is asked whether a handler of an earlier
	// daemon still lives.
	orphanEvery = time.Second
)

// startAll starts attempts while there are free slots and something to do.
func (p *Pool) startAll(intake, work context.Context) {
	for p.free(time.Now()) > 0 {
		u := p.pick()
		if u == nil {
			return
		}

		p.state.started++
		u.started, u.serial, u.label = time.Now(), p.state.started, u.rec.File
		p.state.running[u.rec.ID] = u
		p.state.names[u.rec.Name] = u

		p.flights.Go(func() {
			p.attempt(intake, work, u)
			p.post(func() { p.onEnded(u) })
		})
	}
}

// free returns how many more attempts may be started now. While the handler
// is broken or the disk refuses, one at a time is tried.
func (p *Pool) free(now time.Time) int {
	s := &p.state
	if s.closed || p.trouble.Load() != nil || s.finishing+len(s.unfinished) >= finishAhead {
		return 0
	}

	if !s.broken.lets(now) || !s.disk.lets(now) {
		return 0
	}

	slots := p.cfg.Workers
	if s.broken.closed || s.disk.closed {
		slots = 1
	}

	return slots - len(s.running)
}

// pick returns the next unit to start, nil: there is none. Deferred jobs and
// new files take turns, so that neither keeps the other waiting.
func (p *Pool) pick() *unit {
	s := &p.state
	s.dueFirst = !s.dueFirst

	if s.dueFirst {
		if u := p.pickDue(); u != nil {
			return u
		}
	}

	if len(s.candidates) > 0 {
		u := s.candidates[0]
		s.candidates[0] = nil
		s.candidates = s.candidates[1:]

		return u
	}

	return p.pickDue()
}

// pickDue returns a deferred job that is due.
func (p *Pool) pickDue() *unit {
	due, _, err := p.deps.Journal.Due(time.Now(), 1)
	if err == nil && len(due) > 0 {
		u := &unit{rec: due[0], from: job.DeferredFolder, flush: true}
		u.rec.State = job.Processing

		if err = p.deps.Journal.Note(u.rec); err == nil {
			return u
		}
	}

	if err != nil {
		p.closeDisk(err)
	}

	return nil
}

// onEnded frees the slot of a unit and sends it on.
func (p *Pool) onEnded(u *unit) {
	delete(p.state.running, u.rec.ID)

	if u.inside {
		p.openDisk()
		p.conclude(u)

		return
	}

	if errors.Is(u.err, job.ErrDisk) {
		p.closeDisk(u.err)
	}

	switch {
	case u.from == job.InboxFolder:
		p.letGo(u, u.err)
	case errors.Is(u.err, fs.ErrNotExist):
		u.gone = true
		u.rec.Error = "vanished: the file is not in deferred/ any more"
		u.rec.State, u.rec.FinishedAt = job.Failed, time.Now()
		p.finish(u)
	default:
		p.putBack(u)
	}
}

// putBack leaves a deferred job where it is and tries later.
func (p *Pool) putBack(u *unit) {
	delete(p.state.names, u.rec.Name)

	u.rec.State = job.Deferred
	u.rec.DueAt = time.Now().Add(max(u.wait, diskWaitMin))

	if err := p.deps.Journal.Note(u.rec); err != nil {
		p.closeDisk(err)
	}
}

// conclude decides what becomes of a unit whose file is in processing/.
func (p *Pool) conclude(u *unit) {
	now := time.Now()

	if u.verdict == "" { // no attempt was made
		u.rec.State, u.rec.DueAt = job.Deferred, now.Add(u.wait)
		if u.err != nil {
			u.rec.Error = u.err.Error()
		}
	} else {
		u.rec = decide(u.rec, u.verdict, p.cfg, now)
	}

	p.judgeHandler(u, now)

	if u.gone && u.rec.State == job.Deferred { // nothing is left to try again
		u.rec.State, u.rec.FinishedAt = job.Failed, now
		if u.verdict != "" {
			u.rec.Error += "; the handler has removed the file"
		}
	}

	p.finish(u)
}

// judgeHandler opens or closes the gate of the broken handler.
func (p *Pool) judgeHandler(u *unit, now time.Time) {
	b := &p.state.broken

	switch {
	case u.verdict == job.Succeeded:
		if b.open() {
			p.deps.Log.Info().Msg("handler works again")
		}
	case u.verdict == job.Broken:
		first := !b.closed
		b.close(u.rec.Error, now, p.cfg.Backoff)
		u.rec.DueAt = b.next

		if first {
			p.deps.Log.Error().Str("err", u.rec.Error).Msg("handler broken, files wait")
			p.notifier.add(u.rec, brokenNote(u.rec))
		}
	case b.closed && u.verdict != "" && u.verdict != job.Interrupted:
		b.tries = 0 // it can be started at least: try the next one soon
		b.close(b.why, now, p.cfg.Backoff)
	}
}

// finish hands a unit to the finisher.
func (p *Pool) finish(u *unit) {
	p.state.unfinished = append(p.state.unfinished, u)
}

// onFinished forgets units whose end is written and told.
func (p *Pool) onFinished(units []*unit) {
	s := &p.state
	s.finishing -= len(units)

	for _, u := range units {
		delete(s.names, u.rec.Name)
		s.tally.count(u)

		if u.rec.State.Ended() && !s.closed {
			p.deps.Look(u.rec.Name)
		}
	}

	if len(s.running) == 0 && s.finishing == 0 && len(s.unfinished) == 0 {
		p.lookForDroppings()
	}
}

// untilNext returns how long the loop may wait if nothing happens.
func (p *Pool) untilNext(now time.Time) time.Duration {
	s := &p.state
	wait := idleWait

	if len(s.orphans) > 0 {
		wait = orphanEvery
	}

	if s.closed {
		return wait
	}

	for _, g := range []*gate{&s.broken, &s.disk} {
		if g.closed && g.next.After(now) {
			wait = min(wait, g.next.Sub(now))
		}
	}

	if p.free(now) > 0 {
		if _, next, err := p.deps.Journal.Due(now, 0); err == nil && !next.IsZero() {
			wait = min(wait, max(next.Sub(now), 0))
		}
	}

	return wait
}
