package process

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"importerd/internal/job"
)

// maxListed bounds how many names of processing/ are looked at in one go.
const maxListed = 4096

// survey is what an upkeep goroutine has found, and how things stood before.
type survey struct {
	names   []string   // in processing/
	gone    []job.ID   // jobs whose old handlers have ended
	changed []string   // held files that are not any more what the disk refused
	calm    bool       // no file of a job was in processing/
	serial  uint64     // the youngest attempt then
	orphans []job.ID   // to be looked at
	overdue []job.ID   // of these, to be killed
	held    []job.File // to be looked at
	drop    []*unit    // to be dropped from the journal; those that are not any more to be
}

// upkeep does what is to be done now and then. It looks at the disk beside the
// loop, one goroutine at a time.
func (p *Pool) upkeep() {
	s := &p.state
	if s.surveying || s.lost {
		return
	}

	if s.clock.jumped(time.Now()) {
		p.deps.Log.Warn().Msg("the clock has jumped")
		p.deps.LoopPulse.Waiting()

		if err := p.cutDue(); err != nil {
			p.doubt(err)
		}

		p.deps.LoopPulse.Back()
	}

	s.surveying = true
	v := survey{calm: p.calm(), serial: s.started, overdue: p.overdue()}

	for _, o := range s.orphans {
		if !slices.Contains(v.orphans, o.handler.Job) {
			v.orphans = append(v.orphans, o.handler.Job)
		}
	}

	for _, f := range s.held {
		v.held = append(v.held, f.file)
	}

	v.drop, s.undropped = s.undropped, nil

	p.flights.Go(func() {
		p.look(&v)
		p.post(func() { p.onSurveyed(v) })
	})
}

// look fills in what is found on the disk.
func (p *Pool) look(v *survey) {
	for name, err := range p.deps.Lister.Names(job.ProcessingFolder) {
		if err != nil || len(v.names) == maxListed {
			break
		}

		v.names = append(v.names, name)
	}

	for _, id := range v.orphans {
		if p.deps.Locks.HandlerGone(id) {
			v.gone = append(v.gone, id)
		}
	}

	p.kill(v)

	for _, u := range v.drop {
		u.undropped = p.deps.Journal.Drop(u.rec.ID) != nil
	}

	for _, f := range v.held {
		now, err := p.deps.Lister.Stat(job.InboxFolder, f.Name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !now.Quiet(f) {
			v.changed = append(v.changed, f.Name)
		}
	}
}

// onSurveyed acts upon what was found.
func (p *Pool) onSurveyed(v survey) {
	s := &p.state
	s.surveying = false
	calm := p.calm()
	v.calm = v.calm && calm && v.serial == s.started
	p.takeDroppings(v)
	p.checkOrphans(v.gone)

	for _, u := range v.drop {
		p.letGo(u, job.ErrChanged)
	}

	for _, name := range v.changed {
		delete(s.held, name)
		p.deps.Look(name)
	}

	if s.closed && calm && !v.calm { // the last one must have been a calm one
		p.upkeep()
	}
}

// calm says whether no file of a job is in processing/, nor a handler alive
// that may have put something else there.
func (p *Pool) calm() bool {
	s := &p.state

	return len(s.running)+len(s.claiming)+s.queued() == 0 && len(s.unfinished) == 0 && s.finishing == 0 && !p.haunted()
}

// takeDroppings finds the droppings among the names in processing/: what a
// handler leaves there besides its file goes to failed/. It must not be lost, and
// must not be given to a handler. A running one may still need what it put
// there, so a dropping is taken away when all handlers that ran as it was first
// seen have ended.
func (p *Pool) takeDroppings(v survey) {
	s := &p.state
	seen := map[string]uint64{}
	active := p.active()

	for _, name := range v.names {
		if active.has(name) {
			continue
		}

		first, known := s.droppings[name]
		if !known {
			first = s.started // those that began while the folder was read may own it too
		}

		if v.calm || known && p.outlived(first) {
			p.takeDropping(name)
		} else {
			seen[name] = first
		}
	}

	s.droppings = seen
}

// activeNames are those in processing/ that belong to jobs.
type activeNames struct {
	labels map[string]struct{}
	ids    []string
}

// active returns the names in processing/ of jobs under way, and those that
// must be left alone because a file of that name is about to be claimed.
func (p *Pool) active() activeNames {
	a := activeNames{labels: map[string]struct{}{}}

	for name, u := range p.state.names {
		a.labels[name] = struct{}{}
		a.labels[u.label] = struct{}{}
		a.ids = append(a.ids, u.rec.ID.String())
	}

	for _, o := range p.state.orphans {
		a.labels[o.rec.File] = struct{}{}
	}

	return a
}

// has says whether name is one of them. A file that had to give way to another
// has its job's id in its name.
func (a activeNames) has(name string) bool {
	if _, ok := a.labels[name]; ok {
		return true
	}

	for _, id := range a.ids {
		if strings.Contains(name, id) {
			return true
		}
	}

	return false
}

// outlived says whether every attempt under way is younger than serial.
func (p *Pool) outlived(serial uint64) bool {
	for _, u := range p.state.running {
		if u.serial <= serial {
			return false
		}
	}

	return !p.haunted()
}

// takeDropping sends a dropping to failed/ as a job of its own.
func (p *Pool) takeDropping(name string) {
	u := newUnit(p.cfg().Spool, job.ProcessingFolder, job.File{Name: name})
	u.inside, u.label = true, name
	u.rec.State, u.rec.FinishedAt = job.Failed, time.Now()
	u.rec.Error = "left in processing/ by a handler, or by hand"
	p.state.names[name] = u
	p.finish(u)
}
