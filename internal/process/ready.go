package process

import (
	"context"
	"time"
)

const (
	// readyAtOnce is how many attempts are made ready ahead of free slots, at most.
	readyAtOnce = 16
	// readyFor is how long an attempt that was made ready may wait for its slot: then
	// its file is to be looked at again.
	readyFor = freshFor
)

// queued returns how many files lie in processing/ and wait for a slot.
func (s *state) queued() int { return len(s.claimed) + len(s.preparing) + len(s.ready) }

// prepareNext makes attempts ready for the slots that will be free next, beside those
// that run. They are recorded together, and a slot that becomes free waits for nothing.
func (p *Pool) prepareNext(intake context.Context) {
	s := &p.state

	n := p.readies()
	if n == 0 || intake.Err() != nil {
		return
	}

	units := make([]*unit, n)
	copy(units, s.claimed)
	clear(s.claimed[:n])
	s.claimed, s.preparing = s.claimed[n:], units

	holding := p.rules.Load()
	for _, u := range units {
		u.rules = holding
	}

	p.flights.Go(func() {
		ready, others := p.begin(units)
		p.post(func() { p.onReady(ready, others) })
	})
}

// readies returns for how many files attempts are to be made ready now. Where attempts
// are long it is none, and where what was made ready has just waited too long. Attempts
// that share processes are begun together anyway.
func (p *Pool) readies() int {
	s := &p.state
	cfg := &p.rules.Load().cfg
	want := min(readyAtOnce, s.pace.ahead(cfg))

	if s.slow || s.preparing != nil || len(s.ready) > want/2 || cfg.Shared || cfg.Results ||
		len(s.running) < cfg.Workers || s.oneByOne() || !p.begins() {
		return 0
	}

	n := 0

	for _, u := range s.claimed[:min(len(s.claimed), want-len(s.ready))] {
		if !u.inside || u.flush { // it may take long
			break
		}

		n++
	}

	return n
}

// oneByOne says whether one attempt at a time is tried.
func (s *state) oneByOne() bool { return s.broken.closed || s.disk.closed }

// onReady queues attempts that were made ready.
func (p *Pool) onReady(ready, others []*unit) {
	s := &p.state
	s.preparing = nil

	for _, u := range others {
		p.judgeDisk(u.serial, u.err)
		p.conclude(u)
	}

	s.ready = append(s.ready, ready...)

	p.tidings()

	switch {
	case s.closed || p.paused.Load():
		p.shelve()
	case len(ready) > 0 && ready[0].rules != p.rules.Load():
		p.standDown()
	}
}

// goAhead makes an attempt that was made ready.
func (p *Pool) goAhead(u *unit) {
	u.rec.StartedAt = u.started
	a := p.depart(u)

	p.flights.Go(func() {
		p.announce(a)
		p.run(a)
	})
}

// reconsider takes back what was made ready and is not to be begun as it is: one at a
// time is tried, or it has waited too long. The journal then learns that they have not
// begun after all, or their jobs would seem to be at work.
func (p *Pool) reconsider(now time.Time) {
	s := &p.state

	switch {
	case len(s.ready) == 0:
	case s.oneByOne(), p.trouble.Load() != nil:
		p.standDown()
	case now.Sub(s.ready[0].ready.since) >= readyFor:
		units := s.ready
		s.slow = true
		p.standDown()

		if err := p.record(func() error { return p.recorded(p.deps.Journal.Note, units) }); err != nil {
			p.doubt(err)
		}
	}
}

// standDown takes back that attempts were made ready. The files wait for a slot again.
func (p *Pool) standDown() {
	s := &p.state
	if len(s.ready) == 0 {
		return
	}

	for _, u := range s.ready {
		u.unready()
	}

	s.claimed = append(s.ready, s.claimed...)
	s.ready = nil
}
