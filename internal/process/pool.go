package process

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

const (
	// flushAhead is how many files beyond the free slots may be brought to the
	// disk at a time: a huge one must not hold up the small ones behind it.
	flushAhead = 16
	// gatherFor is how long at most an ended job waits for others that are about to
	// end, and how long lies at least between two groups, so that they are written
	// together; gatherMost is how many go at once.
	gatherFor  = 5 * time.Millisecond
	gatherMost = 256
	// finishAhead is how many ended jobs may wait for the finisher before no
	// more are started.
	finishAhead = 1024
)

// Pool works on the files of one spool.
type Pool struct {
	rules    atomic.Pointer[rules] // New and Change write, anyone reads
	deps     Deps                  // without what stands in rules
	notifier *notifier

	mail     mail          // what the loop is to do
	asks     chan func()   // whoever waits for the loop sends, the loop calls; never closed
	toFinish chan []*unit  // the loop sends, Run closes, the finisher receives
	gone     chan struct{} // closed by Run when the loop has ended
	ran      atomic.Bool

	debts   debts
	live    sync.Map               // job.ID to *grip or Live: the loop and the finisher write, anyone reads
	paused  atomic.Bool            // by a person; the loop writes, anyone reads
	door    door                   // to deferred/, for what is accepted
	trouble atomic.Pointer[string] // why outcomes cannot be written; nil: they can. The finisher writes.
	counts  atomic.Pointer[Counts] // the loop writes, anyone reads
	cutOff  context.CancelFunc     // ends the work; set by Run
	intake  <-chan struct{}        // closed when no more is claimed; set by Run
	fault   error                  // why the disk cannot be trusted; the loop writes, Run reads after its end
	state   state                  // belongs to the loop
	flights sync.WaitGroup         // attempt and upkeep goroutines
	sheets  sync.Pool              // of *[]job.Record, see recorded
}

// state is what the loop knows. Nobody else touches it while Run lives.
type state struct {
	names      map[string]*unit    // by name as dropped: all between the inbox and the finisher's end
	fresh      []*unit             // wait to be flushed
	flushing   map[*unit]struct{}  // what flush goroutines work on
	flushed    []*unit             // wait to be claimed
	claiming   []*unit             // with the claimer; nil: it rests
	taking     bool                // it is flushing them first: they stand in flushing or flushed, too
	claimed    []*unit             // in processing/, wait for a slot
	preparing  []*unit             // with the preparer; nil: it rests
	ready      []*unit             // their attempts are made ready, they wait for a slot
	slow       bool                // what was made ready has waited too long, and no slot was free since
	pace       pace                // of the attempts
	gathering  time.Time           // when the first of those came that wait for the finisher; zero: none does
	handed     time.Time           // when the finisher got the last group
	spare      []func()            // room for mail
	wakeAt     time.Time           // when the loop's timer rings; zero: it has
	taken      uint64              // files taken over so far
	running    map[job.ID]*unit    // attempts under way
	unfinished []*unit             // ended, wait for the finisher
	writing    map[job.ID]*unit    // with the finisher, or waiting for it
	news       chan struct{}       // closed by the loop when a unit has left the finisher, then another one
	finishing  int                 // at the finisher
	orphans    []*orphan           // handlers of an earlier daemon that still live
	held       map[string]heldFile // not taken until they change
	broken     gate                // closed while the handler cannot work
	disk       gate                // closed while the disk refuses claims
	dueFirst   bool                // the next free slot prefers a deferred job to a new file
	clock      clock               // tells when the wall clock has jumped
	undropped  []*unit             // never came to be, but the journal still holds jobs of them
	droppings  map[string]uint64   // by name: the youngest attempt when first seen
	started    uint64              // attempts started so far
	surveying  bool                // an upkeep goroutine is under way
	closed     bool                // no more claims
	lost       bool                // the disk cannot be trusted any more
	tally      Counts              // what has been counted since the start
}

// New returns a Pool. It does nothing before Recover and Run.
func New(cfg Config, deps Deps) (*Pool, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}

	if deps.Teller == nil {
		deps.Teller = silent{}
	}

	p := &Pool{
		deps:     deps,
		notifier: newNotifier(deps.Log, deps.NotifyPulse),
		mail:     newMail(), asks: make(chan func()), toFinish: make(chan []*unit), gone: make(chan struct{}),
		state: state{
			names: map[string]*unit{}, running: map[job.ID]*unit{}, flushing: map[*unit]struct{}{},
			held: map[string]heldFile{}, droppings: map[string]uint64{},
			writing: map[job.ID]*unit{}, news: make(chan struct{}),
		},
	}
	p.rules.Store(&rules{cfg, deps.Handler, deps.Notify})
	p.paused.Store(deps.Wishes.Paused())
	p.counts.Store(&Counts{})

	return p, nil
}

// Run takes files until intake is done, then lets what runs end, and returns
// when nothing is left in processing/ but what the disk would not take.
// Handlers that still run when work is done are asked to end and their files
// are deferred. An error wraps job.ErrUntrusted or job.ErrDisk. It can be
// called once.
func (p *Pool) Run(intake, work context.Context) error {
	if p.ran.Swap(true) {
		return fmt.Errorf("bug: the pool of spool %q was run before", p.cfg().Spool)
	}

	work, p.cutOff = context.WithCancel(work)
	p.intake = intake.Done()

	defer p.cutOff()

	var writers sync.WaitGroup

	var result error

	finish := newFinisher(p, p.cutOff)

	writers.Go(func() { result = finish.run(work) })
	writers.Go(func() { p.notifier.run(work, p.cfg().BeatEvery) })

	p.door.open()
	p.loop(intake, work)
	p.deps.LoopPulse.End()
	p.mail.close()
	close(p.gone)
	p.door.shut()
	p.flights.Wait()
	close(p.toFinish)
	p.notifier.close()
	writers.Wait()

	if result == nil {
		return p.fault
	}

	return result
}

// post gives the loop something to do, and does not wait for it. It is dropped when the
// loop has ended.
func (p *Pool) post(f func()) { p.mail.add(f) }

// ask runs f in the loop and waits for it. It says false when the pool is not
// running or ctx is done.
func (p *Pool) ask(ctx context.Context, f func()) bool {
	done := make(chan struct{})

	select {
	case p.asks <- func() { f(); close(done) }:
		<-done

		return true
	case <-p.gone:
		return false
	case <-ctx.Done():
		return false
	}
}

// Idle says whether nothing is under way that will end by itself without a
// further wait: nothing taken over, nothing running, nothing due. What is paused
// does not count, nor what waits for that.
func (p *Pool) Idle(ctx context.Context) bool {
	idle := false
	asked := p.ask(ctx, func() {
		idle = p.still() && (p.halted() || len(p.state.names) == p.state.frozen() && !p.isDue())
	})

	return asked && idle
}

// Halted says whether nothing is under way and nothing will be begun, whatever
// waits, until a person lets it: the spool is paused, or the job of each worker.
func (p *Pool) Halted(ctx context.Context) bool {
	halted := false
	asked := p.ask(ctx, func() { halted = p.still() && p.halted() })

	return asked && halted
}

// still says whether nothing moves by itself.
func (p *Pool) still() bool {
	s := &p.state

	return len(s.running) == s.frozen() && s.claiming == nil && s.preparing == nil && !s.surveying &&
		len(s.unfinished)+s.finishing == 0 && !p.hopes()
}

// halted says whether people keep everything from being begun.
func (p *Pool) halted() bool { return p.paused.Load() || p.state.frozen() >= p.cfg().Workers }

// isDue says whether a job could be begun at once, or is not known to be none.
func (p *Pool) isDue() bool {
	due, _, err := p.nextDue(time.Now())

	return err != nil || due != nil
}

// frozen returns how many of the running attempts are paused.
func (s *state) frozen() int {
	n := 0

	for _, u := range s.running {
		if u.wish == job.WishPause {
			n++
		}
	}

	return n
}

// loop is the one goroutine that owns the state. It ends when no more is to be
// claimed and nothing runs or waits for the finisher.
func (p *Pool) loop(intake, work context.Context) {
	beat := time.NewTicker(p.cfg().BeatEvery)
	defer beat.Stop()

	wake := time.NewTimer(0)
	defer wake.Stop()

	done := intake.Done()

	for !p.state.closed || p.busy() {
		p.deps.LoopPulse.Beat()
		p.startAll(intake, work)
		p.prepareNext(intake)
		p.claimNext(intake)
		p.flushNext(intake)
		p.publish()
		p.set(wake)

		outbox, units := p.outbox()

		select {
		case <-done:
			done = nil

			p.closeIntake()
		case files := <-p.inlet():
			p.takeOver(files)
		case outbox <- units:
			p.state.unfinished, p.state.handed = nil, time.Now()
			p.state.finishing += len(units)
		case <-p.mail.wake:
			p.read()
		case f := <-p.asks:
			p.read() // it may have been posted by who asks
			f()
		case <-wake.C:
			p.state.wakeAt = time.Time{}

			if len(p.state.orphans) > 0 {
				p.upkeep()
			}
		case <-beat.C:
			p.upkeep()
		}
	}

	p.publish()
}

// set makes the timer ring when something is due. It may ring before: to put it off
// costs more than to come round once in vain.
func (p *Pool) set(wake *time.Timer) {
	s := &p.state
	now := time.Now()
	wait := p.untilNext(now)

	if at := now.Add(wait); s.wakeAt.IsZero() || at.Before(s.wakeAt) {
		s.wakeAt = at
		wake.Reset(wait)
	}
}

// read does what was posted.
func (p *Pool) read() {
	all := p.mail.take(p.state.spare)
	for _, f := range all {
		f()
	}

	clear(all)
	p.state.spare = all[:0]
}

// gathers returns how much longer what has ended is to wait for more: it is written
// and flushed together. Who comes last, or alone, waits for nothing, unless something
// was written just before: where jobs come one after the other, one at a time, each would
// cost what a group costs.
func (p *Pool) gathers(now time.Time) time.Duration {
	s := &p.state

	switch n := len(s.unfinished); {
	case n == 0 || n >= gatherMost || s.closed:
		return 0
	case len(s.running) == s.frozen() && len(s.claiming)+s.queued() == 0:
		return gatherFor - now.Sub(s.handed)
	default:
		return gatherFor - now.Sub(s.gathering)
	}
}

// outbox returns where what has ended goes to, nil while nothing has.
func (p *Pool) outbox() (chan<- []*unit, []*unit) {
	if p.state.lost || p.gathers(time.Now()) > 0 || len(p.state.unfinished) == 0 {
		return nil, nil
	}

	return p.toFinish, p.state.unfinished
}

// busy says whether anything runs or waits to be finished.
func (p *Pool) busy() bool {
	s := &p.state
	if len(s.running) > 0 || s.claiming != nil || s.preparing != nil || s.surveying {
		return true
	}

	return !s.lost && (len(s.unfinished) > 0 || s.finishing > 0)
}

// closeIntake ends claiming. What was taken over but not claimed lies in the
// inbox as before; a flush under way is not waited for. What was claimed ahead waits
// in deferred/ for the next start.
func (p *Pool) closeIntake() {
	s := &p.state
	s.closed, s.fresh, s.flushed = true, nil, nil
	p.door.close()
	p.shelve()

	for name, u := range s.names {
		if u.from == job.InboxFolder && u.serial == 0 {
			delete(s.names, name)
		}
	}

	for _, u := range s.running { // nobody lets them go on
		if u.wish == job.WishPause {
			u.grip.cancel(handler.ErrStop)
		}
	}

	p.upkeep()
}
