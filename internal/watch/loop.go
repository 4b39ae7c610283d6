package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"importerd/internal/job"
)

// How much of each kind of work one turn of the loop does: some milliseconds
// in all, so that everything else comes round soon.
const (
	eventsAtOnce = 1024
	looksAtOnce  = 64
	statsAtOnce  = 256
)

// loop is the state of Run. One goroutine owns it.
type loop struct {
	w     *Watcher
	shift *shift
	inbox Inbox
	opts  Options
	log   zerolog.Logger
	rules rules

	source source // nil: no events
	hints  *hints
	table  *table
	buffer *buffer

	sweep  *sweep  // nil: none is under way
	census *census // nil: none is under way
	plan   plan
	early  bool // events are not on yet, see armLate

	wanted   bool  // a sweep is wanted that has not begun
	leftover bool  // files were left to a later sweep because the table was full
	more     bool  // in an order: files were seen that are not in the buffer
	beyond   int   // files that are ready and not in the buffer, as far as known
	passed   tally // what the last pass over the directory found
	reported report

	lost     string // why the inbox is not ours at the moment; empty: it is
	deaf     string // why there are no events; empty: there are
	unread   string // why the last sweep could not read; empty: it could
	degraded string // why not all works; empty: it does

	sweptAt  time.Time
	sweeps   int
	overflow int
	oldest   time.Time
	complete bool

	timer *time.Timer
	now   chan struct{} // always closed: to be received from when there is work
}

// plan holds when the loop does what by itself.
type plan struct {
	check  time.Time // look after the inbox itself
	sweep  time.Time // begin a sweep
	soon   time.Time // begin one not before this, even if one is wanted
	census time.Time // begin a census not before this
}

// newLoop returns a loop under the present options. Of the one before it, which has
// ended, only what people count on is kept; nil: there was none.
func newLoop(w *Watcher, before *loop) *loop {
	s := w.present()
	opts := s.opts
	l := &loop{
		w: w, shift: s, inbox: w.inbox, opts: opts, log: opts.Log,
		rules: rules{
			match: opts.Match, mode: opts.Ready, marker: opts.Marker,
			settle: opts.Settle, linger: opts.Linger, husk: opts.Husk,
		},
		hints:  newHints(),
		table:  newTable(),
		buffer: newBuffer(opts.Order),
		early:  opts.Order == OrderNone,
		timer:  time.NewTimer(0),
		now:    make(chan struct{}),
	}
	close(l.now)

	if before != nil {
		l.sweeps, l.overflow, l.sweptAt, l.reported = before.sweeps, before.overflow, before.sweptAt, before.reported
		l.lost, l.deaf, l.degraded = before.lost, before.deaf, before.degraded
	}

	return l
}

// close gives back what the loop holds.
func (l *loop) close() {
	l.timer.Stop()
	l.disarm()
	l.dropPasses()
	l.publish()
}

// run lives until ctx is done or there are other options.
func (l *loop) run(ctx context.Context) error {
	close(l.shift.begun)

	if err := l.check(); err != nil {
		return fmt.Errorf("watch the inbox: %w", err)
	}

	for ctx.Err() == nil && !l.shift.isOver() {
		l.opts.Beat()

		if err := l.work(); err != nil {
			return fmt.Errorf("watch the inbox: %w", err)
		}

		if !l.early {
			l.w.arming.Do(func() { close(l.w.armed) })
		}

		l.publish()
		l.wait(ctx)
	}

	return nil
}

// work does what is due, a piece of each kind.
func (l *loop) work() error {
	l.drain()

	if now := time.Now(); !now.Before(l.plan.check) {
		if err := l.check(); err != nil {
			return err
		}
	}

	l.lookDue()
	l.lookHints()
	l.again()
	l.begin(time.Now())
	l.sweepOn()
	l.armLate()
	l.censusOn()

	return nil
}

// wait returns when there is something to do.
func (l *loop) wait(ctx context.Context) {
	ready, batch := l.outlet()

	var now <-chan struct{}
	if l.busy() {
		now = l.now
	}

	l.timer.Reset(l.pause(time.Now()))

	select {
	case <-ctx.Done():
	case <-l.shift.over:
	case <-now:
	case <-l.timer.C:
	case ready <- batch:
		l.taken()
	case event, ok := <-l.events():
		l.absorb(event, ok)
	case err, ok := <-l.errors():
		l.trouble(err, ok)
	case name := <-l.w.looks:
		l.mention(name, hint{})
	case <-l.w.sweeps:
		l.plan.check = time.Now()
		l.want()
	case question := <-l.w.asks:
		question.answer <- l.explain(question.name)
	}
}

// outlet returns where files are handed over that are ready, nil while there are none.
func (l *loop) outlet() (chan<- []job.File, []job.File) {
	if batch := l.buffer.offer(); len(batch) > 0 {
		return l.w.ready, batch
	}

	return nil, nil
}

// busy says whether there is work that waits for nothing.
func (l *loop) busy() bool {
	return l.hints.len() > 0 || l.sweepRuns() || l.census != nil
}

// pause is how long nothing needs to be done unless something happens.
func (l *loop) pause(now time.Time) time.Duration {
	next := l.plan.check

	if l.sweep == nil && l.lost == "" {
		next = earlier(next, l.plan.sweep)
	}

	if e := l.table.first(); e != nil {
		next = earlier(next, e.due)
	}

	if l.opts.BeatEvery > 0 {
		next = earlier(next, now.Add(l.opts.BeatEvery))
	}

	return max(0, next.Sub(now))
}

// taken notes that the offered files belong to their taker now.
func (l *loop) taken() {
	l.buffer.taken()

	if l.more && l.buffer.len() == 0 {
		l.plan.soon = time.Now() // taking them was the pause
		l.want()
	}
}

// publish tells how things stand.
func (l *loop) publish() {
	s := snapshot{
		n: l.passed.n, example: l.passed.example, sweeps: l.sweeps, oldest: l.oldest, degraded: l.degraded,
		sweptAt: l.sweptAt, overflow: l.overflow, complete: l.complete, events: l.source != nil,
	}

	for r, n := range l.table.count {
		s.n[r] += n
	}

	s.n[ready] += l.buffer.len() + l.beyond
	s.exhausted = l.exhausted(s.n[ready] + l.table.count[settling])
	l.w.publish(s)
}

// exhausted says whether no file will be handed over without a change from
// outside; left is how many wait for nothing but time or a taker.
func (l *loop) exhausted(left int) bool {
	return l.complete && l.lost == "" && l.unread == "" && left == 0 &&
		!l.wanted && !l.leftover && !l.more && l.hints.len() == 0 &&
		(l.sweep == nil || !l.sweep.crowded)
}

// age finds the file that waits longest.
func (l *loop) age() {
	l.oldest = l.passed.oldest

	for _, f := range l.buffer.files {
		l.oldest = older(l.oldest, f.Ctime)
	}

	for _, e := range l.table.queue {
		l.oldest = older(l.oldest, e.file.Ctime)
	}
}

// mention notes that something is said of a name.
func (l *loop) mention(name string, event hint) {
	if !element(name) || l.lost != "" {
		return
	}

	switch l.rules.name(name) {
	case ready:
	case isMarker:
		if event.gone {
			return
		}

		name, event = name[:len(name)-len(l.rules.marker)], hint{}
		if l.rules.name(name) != ready {
			return
		}
	default:
		return
	}

	if event.gone && !l.knows(name) {
		return // most often a file that was just claimed
	}

	if !l.hints.add(name, event) {
		l.want()
	}
}

// knows says whether anything is kept of that name.
func (l *loop) knows(name string) bool {
	return l.buffer.has(name) || l.table.get(name) != nil || l.hints.has(name)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}

	return a
}

// marked says whether the file's marker lies beside it: a regular file that is
// not older than the file is here.
func (l *loop) marked(f job.File) bool {
	marker, err := l.inbox.Stat(job.InboxFolder, f.Name+l.rules.marker)

	return err == nil && !marker.Ctime.Before(f.Ctime)
}
