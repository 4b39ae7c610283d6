package watch

import (
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"importerd/internal/job"
)

const (
	// namesAtOnce is how many names are read from the directory in one go: about as many
	// as the kernel gives at a time.
	namesAtOnce = 256

	// earlyFor is how long files are looked at before events are on: longer than the
	// first of them need to be claimed.
	earlyFor = 250 * time.Millisecond

	// patience is how many times what a pass over the directory cost the loop
	// rests before the next: 5 % of a core at most.
	patience = 20
)

// stream gives the names of a directory one by one.
type stream struct {
	dir   *os.File
	names []string // read and not given yet
}

// next returns the next name; io.EOF after the last.
func (s *stream) next() (string, error) {
	if len(s.names) == 0 {
		names, err := s.dir.Readdirnames(namesAtOnce)
		if len(names) == 0 {
			return "", err //nolint:wrapcheck // passed on within the package
		}

		s.names = names
	}

	name := s.names[0]
	s.names = s.names[1:]

	return name, nil
}

func (s *stream) close() { s.dir.Close() }

// sweep is one pass that looks at every file of the inbox. Where no order is
// asked for it stands still while the buffer is full and goes on as files are
// taken, so that a million files cost one pass.
type sweep struct {
	stream

	began   time.Time
	early   bool          // events are not on yet: it does not count, see armLate
	portion int           // names that its next piece looks at
	cost    time.Duration // time that it took without standing still
	seen    int           // names
	found   int           // of these, files handed on
	crowded bool          // it stood still once
	choice  *choice       // nil: no order
	tally   tally
}

// ordered says whether an order is asked for.
func (l *loop) ordered() bool { return l.opts.Order != OrderNone }

// crowded says whether a sweep had to stand still.
func (l *loop) crowded() bool { return l.sweep != nil && l.sweep.crowded }

// sweepRuns says whether there is a sweep that can go on. It leaves some room
// in the buffer to the files with timers, which it might never come by again.
func (l *loop) sweepRuns() bool {
	return l.sweep != nil && (l.sweep.choice != nil || l.buffer.free() >= batchMax)
}

// want asks for a sweep: as soon as may be, or after the one under way.
func (l *loop) want() {
	l.wanted = true

	if l.sweep == nil {
		l.plan.sweep = earlier(l.plan.sweep, l.plan.soon)
	}
}

// again asks for a sweep when there is room for files that were left out: in
// the table, or in an order because others came first.
func (l *loop) again() {
	if l.sweep != nil || l.wanted {
		return
	}

	if l.leftover && l.table.len() <= tableMax/2 || l.more && l.buffer.len() == 0 {
		l.want()
	}
}

// begin begins a sweep if it is time.
func (l *loop) begin(now time.Time) {
	if l.sweep != nil || l.lost != "" || now.Before(l.plan.sweep) {
		return
	}

	dir, err := l.inbox.OpenInbox()
	if err != nil {
		l.cannotRead(err, now)

		return
	}

	l.sweep = &sweep{stream: stream{dir: dir}, began: now, early: l.early, portion: 1}
	l.wanted, l.leftover, l.more = false, false, false

	if l.ordered() {
		l.sweep.choice = newChoice(l.opts.Order)
	}
}

// cannotRead notes that the directory cannot be read; the next sweep tries again.
func (l *loop) cannotRead(err error, now time.Time) {
	l.unread = "the inbox cannot be read: " + err.Error()
	l.plan.sweep = now.Add(l.opts.Sweep)
	l.plan.soon = l.plan.sweep
	l.plan.check = now // that is how an inbox looks that was removed
	l.degrade()
}

// sweepOn does a piece of the sweep. The first ones are small: where files wait the
// first of them is handed over at once.
func (l *loop) sweepOn() {
	s := l.sweep
	if s == nil {
		return
	}

	start := time.Now()

	for range s.portion {
		if !l.sweepRuns() {
			s.crowded = true

			break
		}

		name, err := s.next()
		if err != nil {
			s.cost += time.Since(start)
			l.end(err)

			return
		}

		s.seen++
		l.find(name)
	}

	s.portion = min(4*s.portion, looksAtOnce)
	s.cost += time.Since(start)
}

// find looks at a name that the sweep came by.
func (l *loop) find(name string) {
	s := l.sweep

	if r := l.rules.name(name); r != ready {
		s.tally.add(r, name, time.Time{})

		return
	}

	if s.choice != nil && l.passOver(name) {
		return
	}

	if e := l.table.get(name); e != nil {
		if e.reason == ready {
			l.handOn(e.file)
		}

		return
	}

	if s.choice == nil && l.buffer.has(name) {
		return
	}

	var known sight

	v := l.examine(name, &known, s.began)

	switch {
	case v.reason == ready:
		l.handOn(v.file)
	case v.again > 0 && l.keep(name, known, v):
	default:
		s.tally.explain(v)
		s.tally.add(v.reason, name, v.file.Ctime)
	}
}

// passOver says whether the order has no room for that file in this sweep.
func (l *loop) passOver(name string) bool {
	c := l.sweep.choice
	if !c.full() {
		return false
	}

	file := job.File{Name: name}

	if c.byAge {
		var err error
		if file, err = l.inbox.Stat(job.InboxFolder, name); err != nil {
			return false // the probe will say why
		}

		file.Name = name
	}

	if c.beats(file) {
		return false
	}

	l.sweep.tally.add(ready, name, file.Ctime)

	return true
}

// handOn gives a file that is ready to the buffer, which has room, or to the choice.
func (l *loop) handOn(f job.File) {
	l.sweep.found++

	if l.sweep.choice != nil {
		if out, ok := l.sweep.choice.add(f); ok {
			l.sweep.tally.add(ready, out.Name, out.Ctime)
		}

		return
	}

	l.bring(f)
	l.beyond = max(0, l.beyond-1)
}

// bring puts a file into the buffer and out of the table.
func (l *loop) bring(f job.File) {
	l.buffer.add(f)

	if e := l.table.get(f.Name); e != nil {
		l.table.remove(e)
	}
}

// end ends the sweep; err is io.EOF where it has come to the end.
func (l *loop) end(err error) {
	s, now := l.sweep, time.Now()
	s.close()
	l.dropCensus()

	l.sweep = nil

	if !errors.Is(err, io.EOF) {
		l.cannotRead(err, now)

		return
	}

	if s.early {
		return
	}

	l.choose(s)

	// What was found was worth its cost; a wish waits for the cost of the rest.
	wasted := s.cost * time.Duration(s.seen-s.found) / time.Duration(max(1, s.seen))
	l.plan.soon = now.Add(wasted)
	l.plan.sweep = now.Add(max(l.opts.Sweep, patience*s.cost))

	if l.wanted {
		l.want()
	}

	l.unread, l.sweptAt, l.complete = "", now, true
	l.sweeps++
	l.reported.tell(l.log, &l.passed, &s.tally)
	l.passed = s.tally
	l.passed.n[ready] = 0
	l.age()
	l.degrade()
}

// choose hands over what the sweep has chosen, where an order is asked for.
func (l *loop) choose(s *sweep) {
	l.beyond = 0

	if s.choice == nil {
		return
	}

	l.beyond = s.tally.n[ready]
	l.more = l.more || l.beyond > 0
	s.found = len(s.choice.files)
	l.buffer.replace(slices.DeleteFunc(s.choice.sorted(), func(f job.File) bool {
		e := l.table.get(f.Name)
		if e != nil && e.reason == ready {
			l.table.remove(e)
			e = nil
		}

		return e != nil // written since it was chosen
	}))
}

// dropPasses gives up the sweep and the census under way.
func (l *loop) dropPasses() {
	l.dropCensus()

	if l.sweep != nil {
		l.sweep.close()
		l.sweep = nil
	}
}
