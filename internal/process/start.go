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
	// mostDue is among how many jobs that are due one is looked for that need not
	// wait; first among one, then among dueGrowth times as many.
	mostDue   = 4096
	dueGrowth = 64
	// orphanHope is how long after SIGKILL it may take to end.
	orphanHope = 10 * time.Second
)

// startAll starts attempts while there are free slots and something to do.
func (p *Pool) startAll(intake, work context.Context) {
	var group []*unit

	holding := p.rules.Load() // others may come at any time

	p.reconsider(holding, time.Now())

	for intake.Err() == nil && p.free(time.Now()) > 0 {
		u := p.pick()
		if u == nil {
			break
		}

		p.assign(work, u, holding)

		switch {
		case u.ready != nil:
			p.goAhead(u)
		case u.inside && !u.flush:
			group = append(group, u)
		default: // it may take long: nobody is to wait for it
			p.launch(u)
		}
	}

	if len(group) > 0 {
		p.launch(group...)
	}
}

// assign gives a slot to a unit.
func (p *Pool) assign(work context.Context, u *unit, holding *rules) {
	s := &p.state
	s.started++
	u.started, u.serial, u.label = time.Now(), s.started, u.rec.File
	u.trial = s.disk.closed
	u.rules = holding
	u.trigger = u.rec.Origin == job.Triggered
	s.running[u.rec.ID] = u
	s.names[u.rec.Name] = u

	u.grip = newGrip(work, p.deps.Teller)
	p.live.Store(u.rec.ID, u.grip)
}

// launch makes attempts beside the loop.
func (p *Pool) launch(units ...*unit) {
	p.flights.Go(func() { p.attempt(units) })
}

// free returns how many more attempts may be started now. While the handler
// is broken or the disk refuses, one at a time is tried.
func (p *Pool) free(now time.Time) int {
	s := &p.state
	if !p.begins() {
		return 0
	}

	free := p.cfg().Workers - len(s.running)

	for _, g := range s.gates() {
		switch {
		case !g.lets(now):
			return 0
		case g.closed: // those that ran before are no tries
			free = min(free, 1-s.startedAfter(g.serial))
		}
	}

	return free
}

// begins says whether anything may be begun.
func (p *Pool) begins() bool {
	s := &p.state

	return !s.closed && !p.paused.Load() && p.trouble.Load() == nil && s.finishing+len(s.unfinished) < finishAhead
}

// startedAfter returns how many of the running attempts, and of the files about to be
// claimed, are younger than serial.
func (s *state) startedAfter(serial uint64) int {
	n := 0

	for _, u := range s.claiming {
		if u.serial > serial {
			n++
		}
	}

	for _, u := range s.running {
		if u.serial > serial {
			n++
		}
	}

	return n
}

// pick returns the next unit to start, nil: there is none. Deferred jobs and
// new files take turns, so that neither keeps the other waiting.
func (p *Pool) pick() *unit {
	s := &p.state

	if s.dueFirst || !p.expects() {
		if due := p.pickDue(); due != nil {
			s.dueFirst = false

			return due
		}
	}

	queue := &s.ready
	if len(s.ready) == 0 {
		queue = &s.claimed
	}

	if len(*queue) == 0 || len(s.ready) == 0 && s.preparing != nil && p.cfg().Ordered {
		return nil
	}

	u := (*queue)[0]
	(*queue)[0] = nil
	*queue, s.dueFirst = (*queue)[1:], true

	return u
}

// expects says whether a new file waits for a slot, or will in a moment.
func (p *Pool) expects() bool {
	s := &p.state

	return s.queued()+len(s.claiming) > 0 || len(s.fresh)+p.claimable() > 0 && p.wanted(time.Now()) > 0
}

// pickDue returns a deferred job that is due.
func (p *Pool) pickDue() *unit {
	due, _, err := p.nextDue(time.Now())

	switch {
	case err != nil:
		p.doubt(err)
	case due != nil:
		return &unit{rec: *due, from: job.DeferredFolder, flush: true}
	}

	return nil
}

// nextDue returns the deferred job that has been due longest, nil: none is, and
// when the next one will be; zero: not known. Those that have to wait for another
// unit or job are passed over: its end wakes the loop.
func (p *Pool) nextDue(now time.Time) (*job.Record, time.Time, error) {
	for n := 1; ; n *= dueGrowth {
		due, next, err := p.deps.Index.Due(now, n)
		if err != nil {
			return nil, time.Time{}, err
		}

		for i := range due {
			if !p.engaged(&due[i]) {
				return &due[i], next, nil
			}
		}

		if len(due) == n && n < mostDue {
			continue
		}

		if !next.After(now) { // those that wait beyond: the next beat looks again
			next = time.Time{}
		}

		return nil, next, nil
	}
}

// engaged says whether a deferred job has to wait although it is due: its outcome is
// just being written, so that its file may not lie in deferred/ yet, or another job
// of its name is under way or comes before it.
func (p *Pool) engaged(rec *job.Record) bool {
	s := &p.state

	return s.names[rec.Name] != nil || s.writing[rec.ID] != nil || p.deps.Index.Behind(rec.ID) ||
		rec.Origin == job.Triggered && s.triggered()
}

// triggered says whether a trigger is under way: there is one at a time, also where
// one was brought back while another one was accepted.
func (s *state) triggered() bool {
	for _, u := range s.running {
		if u.trigger {
			return true
		}
	}

	return false
}

// onEnded frees the slot of a unit and sends it on.
func (p *Pool) onEnded(u *unit) {
	delete(p.state.running, u.rec.ID)
	p.live.Delete(u.rec.ID)

	p.state.slow = false
	p.state.pace.note(time.Since(u.started))
	p.judgeDisk(u.serial, u.err)

	switch {
	case u.inside:
		p.conclude(u)
	case errors.Is(u.err, fs.ErrNotExist):
		u.rec.State, u.rec.Moving, u.rec.Error = job.Deferred, nil, ""
		u.fulfil(u.wish, time.Now())
		u.vanish("vanished: the file is not in deferred/ any more")
		p.finish(u)
	default:
		p.putBack(u)
	}
}

// putBack leaves a deferred job where it is and tries later, unless a person
// wants something else of it.
func (p *Pool) putBack(u *unit) {
	now := time.Now()
	u.rec.State, u.rec.Moving = job.Deferred, nil
	u.rec.DueAt = now.Add(max(u.wait, diskWaitMin))
	u.at = job.DeferredFolder
	u.fulfil(u.wish, now)

	u.moved = u.rec.State.Folder() == u.at
	p.finish(u)
}

// conclude decides what becomes of a unit whose file is in processing/.
func (p *Pool) conclude(u *unit) {
	now := time.Now()

	if u.wish == job.WishTerminate && u.verdict != "" { // it was recorded before this
		u.verdict, u.rec.Error = job.Ended, errEnded
	}

	if u.verdict == "" { // no attempt was made
		u.rec.State, u.rec.DueAt = job.Deferred, now.Add(u.wait)
		if u.err != nil {
			u.rec.Error = u.err.Error()
		}
	} else {
		p.deps.Teller.Attempted(u.rec, u.verdict)
		u.rec = decide(u.rec, u.verdict, p.cfg(), now)
	}

	u.fulfil(u.wish, now)
	p.judgeHandler(u, now)

	switch {
	case u.gone && u.verdict == "":
		u.vanish("vanished")
	case u.gone:
		u.vanish("the handler has removed the file")
	}

	p.finish(u)
}

// finish hands a unit to the finisher.
func (p *Pool) finish(u *unit) {
	if len(p.state.unfinished) == 0 {
		p.state.gathering = time.Now()
	}

	p.state.unfinished = append(p.state.unfinished, u)
	p.state.writing[u.rec.ID] = u
}

// onFinished forgets units whose end is written and told.
func (p *Pool) onFinished(units []*unit) {
	s := &p.state
	s.finishing -= len(units)

	for _, u := range units {
		p.forget(u)
		p.release(u)
		p.overtaken(u)

		if !u.nothing && !u.undone {
			s.tally.count(u)
		}

		if u.rec.State.Ended() && !s.closed {
			p.deps.Look(u.rec.Name)
		}
	}

	p.tidings()

	if p.calm() {
		p.upkeep()
	}
}

// release lets those go on who wait for the finisher to be done with the unit.
func (p *Pool) release(u *unit) {
	delete(p.state.writing, u.rec.ID)
	p.live.Delete(u.rec.ID)

	if u.done != nil {
		close(u.done)
	}
}

// tidings lets those look again who wait for any unit to leave the finisher.
func (p *Pool) tidings() {
	close(p.state.news)
	p.state.news = make(chan struct{})
}

// forget lets a name go, unless it has become another unit's.
func (p *Pool) forget(u *unit) {
	if p.state.names[u.rec.Name] == u {
		delete(p.state.names, u.rec.Name)
	}
}

// untilNext returns how long the loop may wait if nothing happens.
func (p *Pool) untilNext(now time.Time) time.Duration {
	s := &p.state
	wait := idleWait

	if len(s.orphans) > 0 {
		wait = orphanEvery
	}

	if more := p.gathers(now); more > 0 {
		wait = min(wait, more)
	}

	if s.closed {
		return wait
	}

	for _, g := range s.gates() {
		if g.closed && g.next.After(now) {
			wait = min(wait, g.next.Sub(now))
		}
	}

	if len(s.ready) > 0 {
		wait = min(wait, max(0, readyFor-now.Sub(s.ready[0].ready.since)))
	}

	if p.free(now) > 0 {
		wait = min(wait, p.untilDue(now))
	}

	return wait
}

// untilDue returns how long the loop may wait for a deferred job that may be begun.
func (p *Pool) untilDue(now time.Time) time.Duration {
	s := &p.state

	switch due, next, err := p.nextDue(now); {
	case err != nil: // the next try to pick one closes the gate
	case due != nil && !s.dueFirst && len(s.claiming)+len(s.preparing) > 0: // they bring whose turn it is
	case due != nil:
		return 0
	case !next.IsZero():
		return next.Sub(now)
	}

	return idleWait
}
