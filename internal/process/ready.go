package process

import (
	"cmp"
	"context"
	"slices"
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

	if s.closed || s.broken.closed || p.paused.Load() {
		p.shelve()
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

// reconsider takes back what was made ready and is not to be begun as it is. The journal
// then learns that it has not begun after all, or the jobs would seem to be at work. In
// trouble it would not take that.
func (p *Pool) reconsider(holding *rules, now time.Time) {
	s := &p.state

	if len(s.ready) == 0 {
		return
	}

	late := now.Sub(s.ready[0].ready.since) >= readyFor
	if !late && !p.unfit(holding) {
		return
	}

	s.slow = s.slow || late
	units := s.ready
	p.standDown()

	if p.trouble.Load() != nil {
		return
	}

	if err := p.record(func() error { return p.recorded(p.deps.Journal.Note, units) }); err != nil {
		p.doubt(err)
	}
}

// unfit says whether what was made ready is not to be begun, however young it is: one at a
// time is tried, other rules hold now, or, where an order is asked for, something that
// was taken back meanwhile comes before it.
func (p *Pool) unfit(holding *rules) bool {
	s := &p.state
	overtakes := holding.cfg.Ordered && len(s.claimed) > 0 && s.claimed[0].turn < s.ready[0].turn

	return overtakes || s.ready[0].rules != holding || s.oneByOne() || p.trouble.Load() != nil
}

// standDown takes back that attempts were made ready. The files wait for a slot again, in
// the order in which they were taken over.
func (p *Pool) standDown() {
	s := &p.state
	if len(s.ready) == 0 {
		return
	}

	for _, u := range s.ready {
		u.unready()
	}

	s.claimed = slices.Concat(s.ready, s.claimed)
	s.ready = nil

	slices.SortStableFunc(s.claimed, func(a, b *unit) int { return cmp.Compare(a.turn, b.turn) })
}
