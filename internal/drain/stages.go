package drain

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Causes with which the work context ends.
var (
	// ErrLimit says that the drain has lasted as long as it may.
	ErrLimit = errors.New("the drain has reached its limit")

	// ErrCutOff says that a second signal asked for the end at once.
	ErrCutOff = errors.New("cut off by a second signal")
)

// Stage is how far the daemon has gone towards its end.
type Stage string

// The stages, in their order. None is ever gone back to.
const (
	Running  Stage = "running"  // takes new work
	Draining Stage = "draining" // takes none, finishes what runs
	CutOff   Stage = "cut off"  // asks what runs to end now
	Killing  Stage = "killing"  // kills what still runs
)

// Stages tells all parts of the daemon how far it has gone towards its end. Its
// methods may be called from several goroutines. It starts no goroutine that
// outlives the moment, only timers that end with the limits.
type Stages struct {
	intake context.Context //nolint:containedctx // it is what Stages is for: handed out by Intake
	begin  context.CancelFunc
	work   context.Context //nolint:containedctx // parent of all work contexts, ends at the second signal
	cutOff context.CancelCauseFunc
	killed chan struct{} // nobody sends; Signal closes it at the third call

	mu    sync.Mutex
	stage Stage
	began time.Time // with its monotonic reading; zero while running
}

// New returns the Stages of a daemon that runs. If parent is cancelled that
// counts as the first signal and as no more than that: work goes on.
func New(parent context.Context) *Stages {
	intake, begin := context.WithCancel(parent)
	work, cutOff := context.WithCancelCause(context.WithoutCancel(parent))

	s := &Stages{
		intake: intake,
		begin:  begin,
		work:   work,
		cutOff: cutOff,
		killed: make(chan struct{}),
		stage:  Running,
	}

	// The moment of a cancelled parent must be known before anybody asks for it:
	// limits count from there.
	context.AfterFunc(intake, func() { s.Began() })

	return s
}

// Signal takes one more signal to stop and returns the stage that it led to:
// Draining, then CutOff, then Killing, which further ones leave as it is.
func (s *Stages) Signal() Stage {
	s.mu.Lock()
	defer s.mu.Unlock()

	switch s.settle() {
	case Running:
		s.stage, s.began = Draining, time.Now()
		s.begin()
	case Draining:
		s.stage = CutOff
		s.cutOff(ErrCutOff)
	case CutOff:
		s.stage = Killing
		close(s.killed)
	case Killing:
	}

	return s.stage
}

// Intake returns the context under which new work is taken. It is done when the
// drain begins.
func (s *Stages) Intake() context.Context { return s.intake }

// Began returns when the drain began and whether it has.
func (s *Stages) Began() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	stage := s.settle()

	return s.began, stage != Running
}

// Part returns the stages of a part of the daemon, which may drain before the
// others: it begins its drain by Drain, or with s, and is cut off and killed with s.
func (s *Stages) Part() *Stages {
	p := &Stages{killed: s.killed, stage: Running}
	p.intake, p.begin = context.WithCancel(s.intake)
	p.work, p.cutOff = context.WithCancelCause(s.work)

	context.AfterFunc(p.intake, func() { p.Began() })

	return p
}

// Drain begins the drain unless it has begun. It counts as no signal.
func (s *Stages) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.settle() == Running {
		s.stage, s.began = Draining, time.Now()
		s.begin()
	}
}

// Work returns a context that lives on when the intake ends and is done when the
// drain has lasted for limit, with the cause ErrLimit, or at the second signal,
// with the cause ErrCutOff. A limit of zero or less leaves no time at all; it is
// asked for once, when the drain begins. The caller calls the function when the
// work has ended, as with any context.
func (s *Stages) Work(limit func() time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(s.work)

	stop := context.AfterFunc(s.intake, func() {
		began, _ := s.Began()
		timer := time.AfterFunc(time.Until(began.Add(limit())), func() { cancel(ErrLimit) })
		context.AfterFunc(ctx, func() { timer.Stop() })
	})

	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Killed returns a channel that is closed at the third signal: kill what still
// runs, without grace.
func (s *Stages) Killed() <-chan struct{} { return s.killed }

// settle returns the stage after it has noticed a cancelled parent. The caller
// holds mu.
func (s *Stages) settle() Stage {
	if s.stage == Running && s.intake.Err() != nil {
		s.stage, s.began = Draining, time.Now()
	}

	return s.stage
}
