package watch

import (
	"errors"
	"io/fs"
	"time"

	"importerd/internal/job"
)

// examine probes the file of that name and judges it; s is what is known of it.
func (l *loop) examine(name string, s *sight, before time.Time) verdict {
	file, err := l.inbox.Probe(job.InboxFolder, name)
	file.Name = name

	v := l.rules.judge(s, file, err, before, time.Now())
	if v.reason == ready && l.rules.mode == ModeMarker && !l.marked(file) {
		v.reason = noMarker
	}

	return v
}

// lookDue looks at the files whose time has come.
func (l *loop) lookDue() {
	now := time.Now()

	for range looksAtOnce {
		e := l.table.first()
		if e == nil || e.due.After(now) {
			return
		}

		l.lookAgain(e)
	}
}

// lookHints looks at the names that were mentioned.
func (l *loop) lookHints() {
	for range looksAtOnce {
		name, event, ok := l.hints.next()
		if !ok {
			return
		}

		l.follow(name, event)
	}
}

// follow does what a hint asks for.
func (l *loop) follow(name string, event hint) {
	// Gone, or not what it was: the claim would find that out, but only later.
	if event.gone || event.written || event.touched {
		l.buffer.remove(name)
	}

	e := l.table.get(name)

	switch {
	case event.gone && e != nil:
		l.table.remove(e)
	case event.gone, l.buffer.has(name):
	case e != nil:
		l.stir(e, event)
	case l.crowded():
		l.want() // those who wait for the sweep that stands still come first
	default:
		l.lookFirst(name, sight{arrived: event.arrived, written: event.written || event.touched}, time.Now())
	}
}

// stir does what a hint of a file with a timer asks for.
func (l *loop) stir(e *entry, event hint) {
	switch {
	case event.arrived: // another file
		e.sight = sight{arrived: true, written: event.written || event.touched}
		l.lookAgain(e)
	case event.touched: // tools do that last
		e.written, e.delay = true, 0
		l.table.hasten(e, time.Now().Add(busyMin))
	case event.written && e.reason == open: // as known
	case event.written: // look once after several of them
		e.written = true
		l.table.hasten(e, time.Now().Add(busyMin))
	default:
		l.lookAgain(e)
	}
}

// lookAgain looks at a file that has a timer.
func (l *loop) lookAgain(e *entry) {
	v := l.examine(e.name, &e.sight, time.Now())

	switch {
	case v.reason == ready && l.deliver(v.file):
		l.table.remove(e)
	case v.reason == ready:
		l.table.set(e, ready, time.Now().Add(busyMax))
	case v.reason == open && e.reason != open && !l.table.room(open):
		l.table.remove(e)
		l.leftover = true
	case v.again > 0:
		l.table.set(e, v.reason, time.Now().Add(v.again))
	default:
		l.table.remove(e)
	}
}

// lookFirst looks at a file of which nothing is kept; s is what the hint said.
func (l *loop) lookFirst(name string, s sight, before time.Time) {
	v := l.examine(name, &s, before)

	switch {
	case v.reason == ready:
		if !l.deliver(v.file) && !l.ordered() {
			l.want()
		}
	case v.again > 0:
		l.keep(name, s, v)
	}
}

// keep gives a file a timer, or leaves it to a later sweep; it says which.
func (l *loop) keep(name string, s sight, v verdict) bool {
	if !l.table.room(v.reason) {
		l.leftover = true

		return false
	}

	l.table.add(name, s, v.reason, time.Now().Add(v.again))

	return true
}

// deliver puts a file into the buffer; false: a later sweep must find it again.
// In an order that sweep comes when the buffer has run empty.
func (l *loop) deliver(f job.File) bool {
	if l.ordered() && (l.sweep != nil || l.more) {
		// Others may come before it that are not in the buffer.
		l.more = true

		return false
	}

	if l.buffer.free() == 0 {
		l.more = l.ordered()

		return false
	}

	l.buffer.add(f)

	return true
}

// explain answers for one name.
func (l *loop) explain(name string) job.Reason {
	if l.lost != "" {
		return job.Reason{Standing: job.Held, Text: job.ReasonNotWatching}
	}

	if !element(name) {
		return meanings[gone]
	}

	if r := l.rules.name(name); r != ready {
		if _, err := l.inbox.Stat(job.InboxFolder, name); errors.Is(err, fs.ErrNotExist) {
			r = gone
		}

		return meanings[r]
	}

	var s sight
	if e := l.table.get(name); e != nil {
		s = e.sight
	}

	v := l.examine(name, &s, time.Now())
	if v.reason == settling && l.buffer.has(name) {
		v.reason = ready // it has waited
	}

	answer := meanings[v.reason]
	if v.why != "" {
		answer.Text = v.why
	}

	if v.reason == settling {
		answer.Until = v.again
	}

	return answer
}
