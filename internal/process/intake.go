package process

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"importerd/internal/job"
)

// hugeSize is from where on, in bytes, a file is flushed apart from its batch.
const hugeSize = 1 << 20

// inlet returns where ready files come from, nil while there is no room.
func (p *Pool) inlet() <-chan []job.File {
	s := &p.state
	cfg := &p.rules.Load().cfg
	room := cfg.Workers + flushAhead + s.pace.ahead(cfg)

	if s.closed || p.paused.Load() || p.trouble.Load() != nil || len(s.fresh)+len(s.flushing)+len(s.flushed) >= room {
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
	s := &p.state
	cfg := p.cfg()

	for _, f := range files {
		if s.names[f.Name] != nil || p.deps.Index.UnderWay(f.Name) || p.isHeld(f) || p.orphanOf(f.Name) != nil {
			continue
		}

		u := newUnit(cfg.Spool, job.InboxFolder, f)
		s.taken++
		u.turn = s.taken
		s.names[f.Name] = u

		if f.Size >= hugeSize { // the others are not to wait for it
			p.flush([]*unit{u})
		} else {
			s.fresh = append(s.fresh, u)
		}
	}
}

// flushNext has files flushed. For those for which slots are free, or will be soon, the
// claim follows at once. Where attempts are long the others are flushed beside them;
// where they are quick, what is claimed ahead gives time enough.
func (p *Pool) flushNext(intake context.Context) {
	s := &p.state
	if len(s.fresh) == 0 || intake.Err() != nil {
		return
	}

	cfg := p.cfg()

	if s.claiming == nil && len(s.flushed) == 0 && !cfg.Ordered {
		if n := min(p.wanted(time.Now()), len(s.fresh)); n > 0 {
			units := slices.Clone(s.fresh[:n])
			s.fresh = s.fresh[n:]
			p.take(units)
		}
	}

	if cfg.Ordered || s.pace.ahead(&cfg) == 0 {
		p.flush(s.fresh)
		s.fresh = nil
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

// flush brings the content of files to the disk, beside the loop: it may take
// minutes. It is not waited for at the end, nothing stops a flush.
func (p *Pool) flush(units []*unit) {
	if len(units) == 0 {
		return
	}

	p.flushing(units)

	go p.flushAll(units, func(some []*unit) {
		p.post(func() { p.onFlushed(some) })
	})
}

// flushing notes that files are about to be flushed.
func (p *Pool) flushing(units []*unit) {
	for _, u := range units {
		p.state.flushing[u] = struct{}{}
	}
}

// flushAll flushes files together and reports those that are done as it goes on, in the
// order in which they were taken over.
func (p *Pool) flushAll(units []*unit, done func(some []*unit)) {
	files := make([]job.File, len(units))
	for i, u := range units {
		files[i] = u.file
	}

	p.deps.Intake.FlushAll(files, func(group []job.Flushed) {
		some := make([]*unit, len(group))

		for i, f := range group {
			some[i] = units[f.At]
			some[i].err, some[i].lease = f.Err, f.Lease
		}

		slices.SortFunc(some, func(a, b *unit) int { return cmp.Compare(a.turn, b.turn) })
		done(some)
	})
}

// onFlushed queues files whose content is on the disk.
func (p *Pool) onFlushed(units []*unit) {
	s := &p.state
	now := time.Now()

	for _, u := range units {
		delete(s.flushing, u)
		u.serial = 0

		switch {
		case s.closed: // it lies in the inbox as before
			p.forget(u)
		case u.err == nil && u.stale:
			p.forget(u)
			p.deps.Look(u.rec.Name)
		case u.err == nil:
			u.looked = now
			p.queue(u)
		case errors.Is(u.err, job.ErrDisk):
			p.hold(u, heldFile{why: job.ReasonIOError}, u.err)
		default:
			p.letGo(u, u.err)
		}
	}
}

// queue adds a file to those that wait to be claimed: at the end, or where an order
// is asked for in its turn.
func (p *Pool) queue(u *unit) {
	s := &p.state
	at := len(s.flushed)

	if p.cfg().Ordered {
		at, _ = slices.BinarySearchFunc(s.flushed, u, func(a, b *unit) int { return cmp.Compare(a.turn, b.turn) })
	}

	s.flushed = slices.Insert(s.flushed, at, u)
}

// claimable returns how many of the files that are flushed may be claimed: all or,
// where an order is asked for, those before which none is still being flushed.
func (p *Pool) claimable() int {
	s := &p.state
	if !p.cfg().Ordered || len(s.flushing) == 0 {
		return len(s.flushed)
	}

	first := uint64(0)

	for u := range s.flushing {
		if first == 0 || u.turn < first {
			first = u.turn
		}
	}

	at, _ := slices.BinarySearchFunc(s.flushed, first, func(a *unit, turn uint64) int { return cmp.Compare(a.turn, turn) })

	return at
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

	if errors.Is(err, job.ErrChanged) || errors.Is(err, job.ErrOpen) || errors.Is(err, job.ErrOther) {
		p.deps.Look(u.rec.Name)
	}

	if errors.Is(err, fs.ErrExist) {
		p.upkeep()
	}
}
