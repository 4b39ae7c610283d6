package process

import (
	"strings"
	"time"

	"importerd/internal/job"
)

// maxListed bounds how many names of processing/ are looked at in one go.
const maxListed = 4096

// upkeep does what is to be done now and then.
func (p *Pool) upkeep() {
	p.checkOrphans()
	p.lookForDroppings()
}

// lookForDroppings lists processing/ beside the loop. What a handler leaves
// there besides its file goes to failed/: it must not be lost, and must not be
// given to a handler.
func (p *Pool) lookForDroppings() {
	s := &p.state
	if s.listing || s.lost {
		return
	}

	s.listing = true
	serial, calm := s.started, p.calm()

	p.flights.Go(func() {
		var names []string

		for name, err := range p.deps.Lister.Names(job.ProcessingFolder) {
			if err != nil || len(names) == maxListed {
				break
			}

			names = append(names, name)
		}

		p.post(func() { p.onListed(names, serial, calm) })
	})
}

// calm says whether no file of a job is in processing/.
func (p *Pool) calm() bool {
	s := &p.state

	return len(s.running) == 0 && len(s.unfinished) == 0 && s.finishing == 0
}

// onListed finds the droppings among the names in processing/. A running
// handler may still need what it put there, so a dropping is taken away when
// all handlers that ran as it was first seen have ended. serial and calm tell
// how things stood before the listing.
func (p *Pool) onListed(names []string, serial uint64, calm bool) {
	s := &p.state
	s.listing = false
	calm = calm && serial == s.started && p.calm()
	seen := make(map[string]uint64, len(names))

	for _, name := range names {
		if p.isActive(name) {
			continue
		}

		first, known := s.droppings[name]
		if !known {
			first = serial
		}

		if calm || known && p.allStartedAfter(first) {
			p.takeDropping(name)
		} else {
			seen[name] = first
		}
	}

	s.droppings = seen
}

// isActive says whether name in processing/ is the file of a job under way.
func (p *Pool) isActive(name string) bool {
	for _, u := range p.state.names {
		// A file that had to give way to another has its job's id in its name.
		if u.label == name || strings.Contains(name, u.rec.ID.String()) {
			return true
		}
	}

	for _, o := range p.state.orphans {
		if o.rec.File == name {
			return true
		}
	}

	return false
}

// allStartedAfter says whether every attempt under way is younger than serial.
func (p *Pool) allStartedAfter(serial uint64) bool {
	for _, u := range p.state.running {
		if u.serial <= serial {
			return false
		}
	}

	return true
}

// takeDropping sends a dropping to failed/ as a job of its own.
func (p *Pool) takeDropping(name string) {
	u := newUnit(p.cfg.Spool, job.ProcessingFolder, job.File{Name: name})
	u.inside, u.label = true, name
	u.rec.State, u.rec.FinishedAt = job.Failed, time.Now()
	u.rec.Error = "left in processing/ by a handler, or by hand"

	if p.state.names[name] == nil {
		p.state.names[name] = u
	}

	p.finish(u)
}
