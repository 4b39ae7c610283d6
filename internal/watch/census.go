package watch

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"importerd/internal/job"
)

// census is a pass that only counts, during a sweep that had to stand still:
// otherwise nobody would know how many files wait, and since when.
type census struct {
	stream

	cost  time.Duration
	tally tally
}

// countWaiting begins a census if the sweep had to stand still and it is time.
func (l *loop) countWaiting(now time.Time) {
	if l.census != nil || !l.crowded() || now.Before(l.plan.census) {
		return
	}

	dir, err := l.inbox.OpenInbox()
	if err != nil {
		return // the sweep will tell when it goes on
	}

	l.census = &census{stream: stream{dir: dir}}
}

// censusOn does a piece of the census.
func (l *loop) censusOn() {
	c := l.census
	if c == nil {
		return
	}

	start := time.Now()

	for range statsAtOnce {
		name, err := c.next()
		if err != nil {
			c.cost += time.Since(start)
			l.endCensus(errors.Is(err, io.EOF))

			return
		}

		l.count(name)
	}

	c.cost += time.Since(start)
}

// count counts a name that the census came by.
func (l *loop) count(name string) {
	r := l.rules.name(name)
	if r == ready && (l.buffer.has(name) || l.table.get(name) != nil) {
		return // counted there
	}

	var ctime time.Time

	if r == ready {
		file, err := l.inbox.Stat(job.InboxFolder, name)
		file.Name = name
		ctime = file.Ctime
		r = l.glanceAt(file, err)
	}

	l.census.tally.add(r, name, ctime)
}

// glanceAt judges by what a mere stat says.
func (l *loop) glanceAt(file job.File, err error) reason {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gone
	case errors.Is(err, job.ErrNotRegular):
		return notRegular
	case err != nil:
		return ioError
	case l.rules.mode == ModeMarker && !l.marked(file):
		return noMarker
	}

	return ready
}

// endCensus ends the census; whole: it has seen all names.
func (l *loop) endCensus(whole bool) {
	c := l.census
	l.dropCensus()
	l.plan.census = time.Now().Add(max(l.opts.Sweep, patience*c.cost))

	if !whole {
		return
	}

	l.passed = c.tally
	l.beyond = c.tally.n[ready]
	l.passed.n[ready] = 0
	l.age()
}

func (l *loop) dropCensus() {
	if l.census != nil {
		l.census.close()
		l.census = nil
	}
}
