package process

import (
	"sync/atomic"
	"time"
)

// takeFor is how long a claim waits for the flush before it: then others are claimed.
const takeFor = 5 * time.Millisecond

// take has files flushed and claims those that are on the disk first, at once and without
// the loop: the leases on them last. The others are queued as they come. The slots are
// kept for them for a moment only: a flush may take minutes.
func (p *Pool) take(units []*unit) {
	p.flushing(units)
	p.enlist(units)
	p.state.taking = true

	var over atomic.Bool // who sets it may go on for the claimer

	late := time.AfterFunc(takeFor, func() {
		if !over.Swap(true) {
			p.post(func() { p.onTaken(nil, nil) })
		}
	})

	go p.flushAll(units, func(some []*unit) {
		if over.Swap(true) {
			p.post(func() { p.onFlushed(some) })

			return
		}

		late.Stop()

		whole, others := p.sift(some)
		if len(whole) > 0 {
			p.claim(whole)
		}

		p.post(func() { p.onTaken(whole, others) })
	})
}

// sift returns which of the files that were flushed are to be claimed at once. None are,
// if meanwhile nothing is to be begun any more, or not under the rules under which they
// were found ready.
func (p *Pool) sift(flushed []*unit) (whole, others []*unit) {
	now := time.Now()
	willing := !p.paused.Load() && p.trouble.Load() == nil

	select {
	case <-p.intake:
		willing = false
	default:
	}

	for _, u := range flushed {
		if willing && u.err == nil && u.rules == p.rules.Load() {
			u.looked = now
			whole = append(whole, u)
		} else {
			others = append(others, u)
		}
	}

	return whole, others
}

// onTaken gives the slots free that were kept for files which are still being flushed.
func (p *Pool) onTaken(claimed, others []*unit) {
	s := &p.state
	kept := s.claiming
	p.onClaimed(claimed)

	for _, u := range kept {
		if _, ok := s.flushing[u]; ok {
			u.serial = 0
		}
	}

	p.onFlushed(others)
}
