package app

import (
	"cmp"
	"os"
	"slices"
	"sync"
)

// lines are all lines of the daemon: those that the configuration has, and those
// that drain because it has them no more.
type lines struct {
	app  *App
	calm chan struct{} // closed when no line works any more

	running sync.WaitGroup // lines that run, and what keeps reloads from adding others

	mu      sync.Mutex
	wanted  []*line // guarded by mu; sorted by name
	leaving []*line // guarded by mu; the oldest first; not yet gone
	working int     // guarded by mu; lines that have not arrived at their end
	isCalm  bool    // guarded by mu; calm is closed
	shut    bool    // guarded by mu; the daemon drains: no line is added any more
	errs    []error // guarded by mu; why lines have ended
}

// configured returns the lines that the configuration has, by name.
func (s *lines) configured() []*line {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Clone(s.wanted)
}

// all returns one line for each name, by name: where one still drains that is the
// one.
func (s *lines) all() []*line {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.shown()
}

// shown is all; mu is held.
func (s *lines) shown() []*line {
	all := slices.Concat(s.leaving, s.wanted)
	slices.SortStableFunc(all, func(a, b *line) int { return cmp.Compare(a.name, b.name) })

	return slices.CompactFunc(all, func(a, b *line) bool { return a.name == b.name })
}

// draining returns all lines that drain at a stop, also several of one name.
func (s *lines) draining() []*line {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Concat(s.leaving, s.wanted)
}

// holder returns the line that has or had the directory; nil: none.
func (s *lines) holder(dir string) *line {
	for _, l := range s.draining() {
		if sameDir(l.dir, dir) {
			return l
		}
	}

	return nil
}

// sameDir says whether two paths are one directory.
func sameDir(a, b string) bool {
	if a == b {
		return true
	}

	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)

	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// replace ends those that leave and runs those that come; false: the daemon drains,
// and nothing was done. A line that comes waits for those to be gone that have its
// name or its directory.
func (s *lines) replace(leave, come []*line) bool {
	s.queue(leave, come)

	s.mu.Lock()
	defer s.mu.Unlock()

	if s.shut {
		return false
	}

	s.wanted = slices.DeleteFunc(s.wanted, func(l *line) bool { return slices.Contains(leave, l) })
	s.leaving = append(s.leaving, leave...)

	s.add(come)
	s.tellHub()

	for _, l := range leave {
		l.log.Info().Msg("spool removed, it drains")
		l.stages.Drain()
	}

	for _, l := range come {
		s.start(l)
	}

	return true
}

// queue notes for those that come which of those that leave they wait for. mu is not
// held: the disk may take long.
func (s *lines) queue(leave, come []*line) {
	s.mu.Lock()
	leaving := slices.Concat(s.leaving, leave)
	s.mu.Unlock()

	for _, l := range come {
		for _, other := range leaving {
			if l.name == other.name || sameDir(l.dir, other.dir) {
				l.after = append(l.after, other)
			}
		}
	}
}

// add adds lines that do not run yet; mu is held, or nobody else knows s.
func (s *lines) add(come []*line) {
	s.wanted = append(s.wanted, come...)
	s.working += len(come)
	slices.SortFunc(s.wanted, func(a, b *line) int { return cmp.Compare(a.name, b.name) })
}

// start runs a line.
func (s *lines) start(l *line) {
	s.running.Go(func() {
		err := l.run()

		if s.ended(l, err) {
			s.app.stages.Drain()
		}

		close(l.gone)
	})
}

// ended notes that a line has ended, and why, and says whether the others have to
// drain. One that was to leave is forgotten.
func (s *lines) ended(l *line, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	left := slices.Contains(s.leaving, l)
	if left {
		s.forget(l)
	}

	switch {
	case err == nil:
		return false
	case left && !isFinal(err):
		l.log.Error().Err(err).Msg("removed spool did not end well")

		return false
	}

	s.errs = append(s.errs, err)

	return true
}

// forget forgets a line that was to leave; mu is held.
func (s *lines) forget(l *line) {
	s.leaving = slices.DeleteFunc(s.leaving, func(other *line) bool { return other == l })
	same := func(other *line) bool { return other.name == l.name }

	if !slices.ContainsFunc(s.leaving, same) && !slices.ContainsFunc(s.wanted, same) {
		s.app.metrics.Forget(l.name)
	}

	s.tellHub()
	l.log.Info().Msg("spool gone")
}

// tellHub tells the clients' side which spools there are; mu is held.
func (s *lines) tellHub() {
	var names []string
	for _, l := range s.shown() {
		names = append(names, l.name)
	}

	s.app.hub.SetSpools(names)
}

// arrive notes that a line will not work any more.
func (s *lines) arrive() {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.working--; s.working == 0 && !s.isCalm {
		s.isCalm = true
		close(s.calm)
	}
}

// live runs all lines until each has drained, and returns why they have ended.
func (s *lines) live() []error {
	for _, l := range s.configured() {
		s.start(l)
	}

	s.running.Go(func() {
		<-s.app.stages.Intake().Done()

		s.mu.Lock()
		defer s.mu.Unlock()

		s.shut = true
	})

	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.errs
}
