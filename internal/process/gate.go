package process

import (
	"errors"
	"time"

	"importerd/internal/job"
)

// Bounds of the wait between tries while the disk refuses.
const (
	diskWaitMin = 500 * time.Millisecond
	diskWaitMax = 30 * time.Second
)

// gate is something that closes for growing spans of time and lets single
// tries through between them.
type gate struct {
	closed bool
	why    string
	tries  int
	next   time.Time // of the next try
	serial uint64    // the youngest attempt when it was last closed
}

// close closes the gate, or closes it anew with a longer wait. started is the
// serial of the youngest attempt.
func (g *gate) close(why string, waits Backoff, now time.Time, started uint64) {
	g.closed, g.why, g.serial = true, why, started
	g.tries++
	g.next = now.Add(waits.Wait(g.tries))
}

// settled says whether what an attempt has found is known already: it was
// under way as the gate was closed. Eight that fail together are one failure,
// and the success of an old one says nothing of now.
func (g *gate) settled(serial uint64) bool { return g.closed && serial <= g.serial }

// lets says whether a try may be made at now.
func (g *gate) lets(now time.Time) bool { return !g.closed || !now.Before(g.next) }

// open opens the gate and says whether it was closed.
func (g *gate) open() bool {
	was := g.closed
	*g = gate{}

	return was
}

// gates returns all gates.
func (s *state) gates() []*gate { return []*gate{&s.broken, &s.disk} }

// nextTry returns how long all gates stay closed at least; zero: none is, or it
// is not known.
func (s *state) nextTry(now time.Time) time.Duration {
	wait := time.Duration(0)

	for _, g := range s.gates() {
		if g.closed {
			wait = max(wait, g.next.Sub(now))
		}
	}

	return wait
}

// shut says whether nothing is taken for the time being.
func (p *Pool) shut() bool {
	return p.state.broken.closed || p.state.disk.closed || p.trouble.Load() != nil
}

// doubt acts upon an error of the journal or the disk.
func (p *Pool) doubt(err error) {
	if errors.Is(err, job.ErrUntrusted) {
		p.lose(err)
	} else {
		p.closeDisk(err)
	}
}

// lose ends the work because the disk cannot be trusted any more: nothing is
// claimed, written or told, and handlers are asked to end.
func (p *Pool) lose(err error) {
	if p.state.lost {
		return
	}

	p.deps.Log.Error().Err(err).Msg("disk cannot be trusted, spool stops")

	p.state.lost, p.fault = true, err
	p.closeIntake()
	p.cutOff()
}

// closeDisk stops claims for a while because the disk refuses them.
func (p *Pool) closeDisk(err error) {
	s := &p.state
	if !s.disk.closed {
		p.deps.Log.Error().Err(err).Msg("disk refuses, claims wait")
	}

	s.disk.close(err.Error(), Backoff{Min: diskWaitMin, Max: diskWaitMax}, time.Now(), s.started)
}

// judgeDisk opens or closes the gate of the disk by what the attempt serial has
// found: an error, nil: it took its file.
func (p *Pool) judgeDisk(serial uint64, err error) {
	disk := &p.state.disk

	switch {
	case disk.settled(serial):
	case errors.Is(err, job.ErrUntrusted):
		p.lose(err)
	case errors.Is(err, job.ErrDisk):
		p.closeDisk(err)
	case err == nil && disk.open():
		p.deps.Log.Info().Msg("disk takes claims again")
	}
}

// judgeHandler opens or closes the gate of the broken handler. What an attempt has
// found under old rules says nothing of the handler that is there now.
func (p *Pool) judgeHandler(u *unit, now time.Time) {
	switch {
	case u.rules == p.rules.Load():
		p.judgePresent(u, now)
	case u.verdict == job.Broken:
		u.rec.DueAt = now
	}
}

// judgePresent is judgeHandler for the handler that is there now.
func (p *Pool) judgePresent(u *unit, now time.Time) {
	b, backoff := &p.state.broken, p.cfg().Backoff

	switch {
	case b.settled(u.serial):
	case u.verdict == job.Succeeded:
		if b.open() {
			p.deps.Log.Info().Msg("handler works again")
		}
	case u.verdict == job.Broken:
		if !b.closed {
			p.deps.Log.Error().Str("err", u.rec.Error).Msg("handler broken, files wait")
			p.notifier.add(notice{p.rules.Load().notify, u.rec, brokenNote(u.rec), nil})
		}

		b.close(u.rec.Error, backoff, now, p.state.started)
		p.shelve()
	case b.closed && u.verdict != "" && u.verdict != job.Interrupted && u.verdict != job.Ended:
		b.tries = 0 // it can be started at least: try the next one soon
		b.close(b.why, backoff, now, p.state.started)
	}

	if u.verdict == job.Broken && b.closed {
		u.rec.DueAt = b.next
	}
}
