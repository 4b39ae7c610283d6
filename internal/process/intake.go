package process

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"importerd/internal/job"
)

// inlet returns where ready files come from, nil while there is no room.
func (p *Pool) inlet() <-chan []job.File {
	s := &p.state
	room := p.cfg().Workers + flushAhead

	if s.closed || p.paused.Load() || p.trouble.Load() != nil || len(s.candidates)+len(s.flushing) >= room {
		return nil
	}

	now := time.Now()
	for _, g := range s.gates() {
		if !g.lets(now) {
			return nil
		}
	}

	return p.deps.Ready
}

// takeOver begins with files that the watcher found ready. A name that is
// under way already is passed over: the watcher is told when its time comes.
func (p *Pool) takeOver(files []job.File) {
	for _, f := range files {
		if p.state.names[f.Name] == nil && !p.deps.Index.UnderWay(f.Name) && !p.isHeld(f) &&
			p.orphanOf(f.Name) == nil {
			p.flush(f)
		}
	}
}

// isHeld says whether f is a file that could not be taken, has not changed since
// and is not to be tried again yet.
func (p *Pool) isHeld(f job.File) bool {
	held, ok := p.state.held[f.Name]
	if ok && !held.file.Quiet(f) {
		delete(p.state.held, f.Name)

		return false
	}

	return ok && (held.again.IsZero() || time.Now().Before(held.again))
}

// flush brings the content of a file to the disk, beside the loop: it may take
// minutes. It is not waited for at the end, nothing stops a flush.
func (p *Pool) flush(f job.File) {
	u := newUnit(p.cfg().Spool, job.InboxFolder, f)
	p.state.taken++
	u.turn = p.state.taken
	p.state.names[f.Name] = u
	p.state.flushing[u] = struct{}{}

	go func() {
		err := p.prepare(u)

		p.post(func() { p.onFlushed(u, err) })
	}()
}

// prepare checks that the file is still what the watcher saw, and flushes it.
func (p *Pool) prepare(u *unit) error {
	f, err := p.deps.Folders.Probe(job.InboxFolder, u.rec.Name)
	if err != nil && !errors.Is(err, job.ErrNoLease) {
		return err
	}

	if !f.Quiet(u.file) {
		return fmt.Errorf("%w since it was found ready", errChanged)
	}

	return p.deps.Folders.Flush(job.InboxFolder, f)
}

// errChanged says that a file has changed since the watcher looked at it.
var errChanged = errors.New("changed")

// onFlushed queues a file whose content is on the disk.
func (p *Pool) onFlushed(u *unit, err error) {
	s := &p.state
	delete(s.flushing, u)

	switch {
	case s.closed: // closeIntake has given it back
	case err == nil && u.stale:
		p.forget(u)
		p.deps.Look(u.rec.Name)
	case err == nil:
		p.queue(u)
	case errors.Is(err, job.ErrDisk):
		p.hold(u, heldFile{why: job.ReasonIOError}, err)
	default:
		p.letGo(u, err)
	}
}

// queue adds a file to those that wait for a slot: at the end, or where an order
// is asked for in its turn.
func (p *Pool) queue(u *unit) {
	s := &p.state
	at := len(s.candidates)

	for p.cfg().Ordered && at > 0 && s.candidates[at-1].turn > u.turn {
		at--
	}

	s.candidates = slices.Insert(s.candidates, at, u)
}

// candidate returns the file whose turn it is; nil: none waits, or where an
// order is asked for one before it is still being flushed.
func (p *Pool) candidate() *unit {
	s := &p.state
	if len(s.candidates) == 0 {
		return nil
	}

	u := s.candidates[0]

	if p.cfg().Ordered {
		for before := range s.flushing {
			if before.turn < u.turn {
				return nil
			}
		}
	}

	return u
}

// hold remembers a file that cannot be taken: it must change first, or again must
// have come, if that is not zero. A second flush of a file whose content the disk
// refused would say that all is well and lie. It is told once.
func (p *Pool) hold(u *unit, h heldFile, err error) {
	s := &p.state
	p.forget(u)

	before, known := s.held[u.rec.Name]
	if !known && len(s.held) >= maxHeld {
		p.closeDisk(err)

		return
	}

	h.file = u.file
	s.held[u.rec.Name] = h

	if !known || !before.file.Quiet(u.file) {
		p.deps.Log.Error().Str("file", job.Show(u.rec.Name)).Err(err).Msg("file held")
	}
}

// letGo gives a file that could not be taken back to the watcher's care. That
// somebody was faster is no news. One whose name is taken in processing/ waits
// for the dropping there, and a dropping is let alone while a file of its name is
// under way: between two tries is the time to look at it.
func (p *Pool) letGo(u *unit, err error) {
	if u.undropped {
		p.state.undropped = append(p.state.undropped, u)

		return
	}

	p.forget(u)

	if errors.Is(err, fs.ErrNotExist) {
		return
	}

	p.deps.Log.Debug().Str("file", job.Show(u.rec.Name)).Err(err).Msg("file not taken")

	if errors.Is(err, errChanged) || errors.Is(err, job.ErrOpen) || errors.Is(err, job.ErrOther) {
		p.deps.Look(u.rec.Name)
	}

	if errors.Is(err, fs.ErrExist) {
		p.upkeep()
	}
}
