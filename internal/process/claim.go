package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"importerd/internal/job"
)

const (
	// claimAtOnce is how many files are claimed together, and how many are claimed ahead
	// of free slots, at most.
	claimAtOnce = 64
	// aheadFor is how long what is claimed ahead may have to wait for a slot, judged by
	// the attempts so far.
	aheadFor = 50 * time.Millisecond
	// freshFor is how long what was found out of a file is good enough for its claim.
	freshFor = 100 * time.Millisecond
)

// pace is how long attempts have a slot, of late.
type pace struct {
	took  time.Duration
	known bool
}

// note takes up one more attempt.
func (c *pace) note(took time.Duration) {
	if !c.known {
		c.took, c.known = took, true
	}

	c.took += (took - c.took) / 8
}

// ahead returns how many files to claim beyond the free slots, so that none has to wait
// for one. Where attempts are long it is none: what lies in processing/ is worked on.
func (c *pace) ahead(cfg *Config) int {
	if !c.known {
		return 0
	}

	return int(min(claimAtOnce, time.Duration(cfg.Workers)*aheadFor/max(c.took, time.Microsecond)))
}

// claimNext hands files to the claimer for which slots are free, or will be soon.
func (p *Pool) claimNext(intake context.Context) {
	s := &p.state
	if s.claiming != nil || len(s.flushed) == 0 || intake.Err() != nil {
		return
	}

	n := min(p.wanted(time.Now()), p.claimable())
	if n <= 0 {
		return
	}

	units := make([]*unit, n)
	copy(units, s.flushed)
	clear(s.flushed[:n])
	s.flushed = s.flushed[n:]

	p.enlist(units)
	p.flights.Go(func() {
		p.claim(units)
		p.post(func() { p.onClaimed(units) })
	})
}

// enlist gives files to the claimer.
func (p *Pool) enlist(units []*unit) {
	s := &p.state
	s.claiming = units

	for _, u := range units {
		s.started++
		u.serial, u.label, u.rules = s.started, u.rec.File, p.rules.Load()
	}
}

// wanted returns how many files are to be claimed now. While the handler is broken or
// the disk refuses, one at a time is tried.
func (p *Pool) wanted(now time.Time) int {
	s := &p.state
	cfg := &p.rules.Load().cfg

	if !p.begins() {
		return 0
	}

	free := cfg.Workers - len(s.running) - s.queued()
	shut := false

	for _, g := range s.gates() {
		switch {
		case !g.lets(now):
			return 0
		case g.closed:
			shut = true
			free = min(free, 1-s.startedAfter(g.serial)-s.queued())
		}
	}

	if ahead := s.pace.ahead(cfg); !shut && (free > 0 || free+ahead > ahead/2) {
		free += ahead
	}

	return min(free, claimAtOnce)
}

// claim takes files into processing/, one after the other but recorded together. What
// came of it stands in the units.
func (p *Pool) claim(units []*unit) {
	whole := make([]*unit, 0, len(units))

	for _, u := range units {
		if u.err = p.lookAgain(u); u.err != nil {
			continue
		}

		u.see(u.file)
		u.arrived = u.file.Ctime
		u.rec.Moving = &job.Move{
			From: u.from, File: u.rec.Name, To: job.ProcessingFolder, Name: u.rec.Name, ID: u.rec.ID,
		}
		whole = append(whole, u)
	}

	if err := p.recorded(p.deps.Journal.Note, whole); err != nil {
		for _, u := range units {
			u.err = cmp.Or(u.err, err)
		}

		return
	}

	p.unclaim(p.rename(units))
}

// rename renames recorded files into processing/ and returns those with which that has
// failed. Where the disk has refused one the others are not tried.
func (p *Pool) rename(units []*unit) []*unit {
	var (
		failed  []*unit
		refused error
	)

	for _, u := range units {
		if u.err != nil {
			continue
		}

		if u.err = refused; refused == nil {
			u.err = p.claimOne(u)
		}

		if u.err != nil {
			failed = append(failed, u)
		}

		if errors.Is(u.err, job.ErrDisk) && !immovable(u) {
			refused = u.err
		}
	}

	return failed
}

// lookAgain looks at a file once more that has waited since it was flushed.
func (p *Pool) lookAgain(u *unit) error {
	if time.Since(u.looked) < freshFor {
		return nil
	}

	f, err := p.deps.Folders.Probe(job.InboxFolder, u.rec.Name)
	if err != nil && !errors.Is(err, job.ErrNoLease) {
		return err
	}

	if !f.Quiet(u.file) {
		return fmt.Errorf("%w since it was flushed", job.ErrChanged)
	}

	return nil
}

// claimOne renames a file out of the inbox if it is still the one that was flushed.
func (p *Pool) claimOne(u *unit) error {
	f, err := p.deps.Intake.Claim(u.file)
	if err != nil && !errors.Is(err, job.ErrOther) {
		return err
	}

	u.inside = true
	u.flush = err != nil // another file than the one that was flushed

	if err == nil {
		u.taken = time.Now()
	}

	u.rec.Moving = nil
	u.see(f)

	if marker := u.rules.cfg.Marker; marker != "" {
		if err := p.deps.Intake.DropMarker(u.rec.Name + marker); err != nil {
			p.deps.Log.Warn().Str("file", job.Show(u.rec.Name)).Err(err).Msg("marker not removed")
		}
	}

	p.line(p.deps.Log.Debug(), &u.rec).Msg("job claimed")

	return nil
}

// unclaim forgets jobs whose claims have failed. If that cannot be written, the loop
// has to try again: their names would be under way for ever.
func (p *Pool) unclaim(units []*unit) {
	if len(units) == 0 {
		return
	}

	ids := make([]job.ID, len(units))
	for i, u := range units {
		ids[i] = u.rec.ID
	}

	err := p.deps.Journal.Drop(ids...)

	for _, u := range units {
		if err != nil {
			u.undropped, u.err = true, errors.Join(u.err, err)
		}
	}
}

// immovable says whether a claim has failed for what is a matter of this file alone.
func immovable(u *unit) bool { return errors.Is(u.err, syscall.EPERM) }

// onClaimed queues what was claimed for the next free slots.
func (p *Pool) onClaimed(units []*unit) {
	s := &p.state
	s.claiming, s.taking = nil, false

	for _, u := range units {
		delete(s.flushing, u)

		if !u.inside {
			p.notClaimed(u)

			continue
		}

		delete(s.held, u.rec.Name)

		s.claimed = append(s.claimed, u)
	}

	p.tidings()

	// What was on its way as the handler was found broken waits as what was claimed before.
	late := len(units) > 0 && s.broken.settled(units[0].serial)

	if late || s.closed || p.paused.Load() {
		p.shelve()
	}
}

// notClaimed deals with a file that could not be claimed.
func (p *Pool) notClaimed(u *unit) {
	if immovable(u) && !u.undropped {
		again := time.Now().Add(immovableEvery)
		p.hold(u, heldFile{why: job.ReasonImmovable, again: again}, u.err) // a matter of this file, not of the disk

		return
	}

	p.judgeDisk(u.serial, u.err)
	p.letGo(u, u.err)
}

// shelve defers what was claimed ahead and is not to be started now. It is due at once,
// and was not interrupted.
func (p *Pool) shelve() {
	p.standDown()

	units := p.state.claimed
	p.state.claimed = nil

	for _, u := range units {
		p.conclude(u)
	}
}

// waiting returns the unit of a job that waits for a slot; nil: it does not.
func (s *state) waiting(id job.ID) *unit {
	for _, queue := range [][]*unit{s.ready, s.claimed} {
		for _, u := range queue {
			if u.rec.ID == id {
				return u
			}
		}
	}

	return nil
}

// unqueue has a unit wait for a slot no more.
func (s *state) unqueue(u *unit) {
	queue := &s.claimed

	if u.ready != nil {
		queue = &s.ready
		u.unready()
	}

	*queue = slices.DeleteFunc(*queue, func(other *unit) bool { return other == u })
}
