package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"importerd/internal/control"
	"importerd/internal/drain"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/process"
	"importerd/internal/spool"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// line is one spool with all that works on it, from its inbox to its end.
type line struct {
	name   string
	dir    string
	app    *App
	log    zerolog.Logger
	stages *drain.Stages // of this line: it may drain before the others
	face   *control.Spool
	after  []*line       // that must be gone before the spool can be opened
	up     chan struct{} // closed when the first session has begun, or could not; who starts the line receives
	gone   chan struct{} // closed when run has returned and the line is forgotten; those after it receive
	again  chan struct{} // a reload sends that there is a reason to try again, run receives; holds one

	once     sync.Once // closes up
	arrived  sync.Once // see arrive
	spool    *spool.Spool
	journal  *journal.Journal
	session  atomic.Pointer[session] // of the open spool; nil: there is none
	degraded atomic.Pointer[string]  // why there is none

	mu    sync.Mutex
	now   *rules   // guarded by mu; name, directory and inbox never change
	built *session // guarded by mu; what has to be told of other rules; nil: nobody
}

func newLine(a *App, r *rules) *line {
	l := &line{
		name: r.Name, dir: r.Dir, now: r, app: a, stages: a.stages.Part(),
		log: a.opts.Log.With().Str("spool", r.Name).Logger(),
		up:  make(chan struct{}), gone: make(chan struct{}), again: make(chan struct{}, 1),
	}
	l.face = remote{l}.face()

	return l
}

// rules returns those that hold.
func (l *line) rules() *rules {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.now
}

// open opens the spool.
func (l *line) open() error {
	r := l.rules()

	s, err := spool.Open(r.Dir, spool.Options{Name: r.Name, Inbox: r.Inbox})
	if err != nil {
		l.degrade(err)

		return fmt.Errorf("spool %s: %w", r.Name, err)
	}

	for _, warning := range s.Warnings() {
		l.log.Warn().Str("warning", warning).Msg("spool")
	}

	l.spool = s

	err = l.openJournal()
	if err == nil {
		err = s.FillReserve()
	}

	if err != nil {
		l.close()
		l.degrade(err)

		return fmt.Errorf("spool %s: %w", r.Name, err)
	}

	return nil
}

// openJournal opens the journal of the open spool.
func (l *line) openJournal() error {
	boot, err := spool.BootID()
	if err != nil {
		return err //nolint:wrapcheck // it says what it is
	}

	l.journal, err = journal.Open(journal.Options{
		Path: l.spool.Path(job.OwnFolder, "journal.db"), Boot: boot, SetAside: l.spool.SetAsideOwn, Log: l.log,
	})

	return err //nolint:wrapcheck // it names the file
}

// past says what the journal knows of the run before. After an unclean end of
// the machine empty files that are older than the boot are held from now on.
func (l *line) past() (process.Past, error) {
	now, err := spool.BootID()
	if err != nil {
		return process.Past{}, err //nolint:wrapcheck // it says what it is
	}

	last, clean := l.journal.Boot()
	past := process.Past{Fresh: l.journal.Fresh()}
	past.Cut = !past.Fresh && !clean && last != now

	if past.Cut {
		booted, err := bootTime()
		if err != nil {
			return past, err
		}

		l.log.Warn().Time("boot", booted).Msg("the machine went down uncleanly: empty files from before are held")

		if err := l.journal.HoldHusks(booted); err != nil {
			return past, fmt.Errorf("hold empty files: %w", err)
		}
	}

	return past, nil
}

// bootTime returns when the machine was started, by its clock as it is now.
func bootTime() (time.Time, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return time.Time{}, fmt.Errorf("uptime: %w", err)
	}

	return time.Now().Add(-time.Duration(info.Uptime) * time.Second), nil
}

// close gives the spool back.
func (l *line) close() {
	if l.journal != nil {
		if err := l.journal.Close(); err != nil {
			l.log.Warn().Err(err).Msg("journal not closed")
		}

		l.journal = nil
	}

	if l.spool == nil {
		return
	}

	if err := l.spool.Close(); err != nil {
		l.log.Warn().Err(err).Msg("spool not closed")
	}

	l.spool = nil
}

// run keeps the spool at work until the intake ends. While it cannot be opened
// it tries again at each tick.
func (l *line) run() error {
	intake := l.stages.Intake()

	defer l.isUp()
	defer l.arrive()

	if !l.waitTurn(intake) {
		l.close() // it may have been opened before

		return nil
	}

	for {
		if l.spool != nil || l.open() == nil {
			err := l.work()
			l.close()

			if err == nil || isFinal(err) || intake.Err() != nil {
				return err
			}

			l.degrade(err)
		}

		l.isUp()

		if !l.pause(intake) {
			return nil
		}
	}
}

// waitTurn waits until those lines are gone that have what this one needs; false:
// the intake has ended.
func (l *line) waitTurn(intake context.Context) bool {
	if len(l.after) > 0 {
		l.isUp()
	}

	for _, other := range l.after {
		text := fmt.Sprintf("spool %s drains first, as it was before the reload", other.name)
		l.degraded.Store(&text)

		select {
		case <-other.gone:
		case <-intake.Done():
			return false
		}
	}

	return true
}

// pause waits until the spool is to be opened again; false: the intake has ended.
func (l *line) pause(intake context.Context) bool {
	tick := time.NewTimer(l.rules().Sweep)
	defer tick.Stop()

	select {
	case <-tick.C:
	case <-l.again:
	case <-intake.Done():
		return false
	}

	return true
}

// isUp lets the start go on without waiting for this spool any more.
func (l *line) isUp() { l.once.Do(func() { close(l.up) }) }

// degrade says, once for each reason, why the spool does not work.
func (l *line) degrade(err error) {
	text := err.Error()
	if before := l.degraded.Swap(&text); before == nil || *before != text {
		l.log.Error().Err(err).Msg("spool degraded")
	}
}

// begin makes a session under the present rules, which has to be told of others
// from now on.
func (l *line) begin(s *session) error {
	l.mu.Lock()
	defer l.mu.Unlock()

	if err := l.build(s, l.now); err != nil {
		return err
	}

	l.built = s

	return nil
}

// end ends a session.
func (l *line) end(s *session) {
	l.mu.Lock()
	l.built = nil
	l.mu.Unlock()

	s.end()
}

// work runs one session: recovery, then watch and pool until the intake ends
// or the spool is lost.
func (l *line) work() error {
	intake, stop := context.WithCancel(l.stages.Intake())
	defer stop()

	s := &session{
		intake: intake, began: time.Now(), spool: l.spool, journal: l.journal,
		teller: &teller{count: l.app.metrics.Spool(l.name)},
	}
	defer l.end(s)

	l.newFleet(intake, s)

	past, err := l.past()
	if err == nil {
		err = l.begin(s)
	}

	if err != nil {
		return fmt.Errorf("spool %s: %w", l.name, err)
	}

	work, done := l.stages.Work(func() time.Duration { return l.rules().Drain })
	defer done()

	if err := s.pool.Recover(intake, past); err != nil {
		if intake.Err() != nil {
			return nil // stopped during the start: the next one goes on
		}

		return fmt.Errorf("spool %s: %w", l.name, err)
	}

	s.begin()
	s.teller.open(l.app.hub.Feed(l.name, told{l.journal}))
	l.degraded.Store(nil)
	l.session.Store(s)

	err = l.live(s, stop, work)
	l.report(s.pool.Counts())
	l.linger(s)

	return err
}

// live runs watch and pool. stop ends the session's intake.
func (l *line) live(s *session, stop func(), work context.Context) error {
	var watching sync.WaitGroup

	var lost, kept error

	watching.Go(func() {
		defer s.keeping.End()

		kept = s.keep(s.intake, stop)
	})
	watching.Go(func() {
		defer s.watching.End()

		lost = s.watcher.Run(s.intake)

		stop()
	})
	watching.Go(func() {
		select {
		case <-s.watcher.Armed():
			l.log.Info().Str("inbox", l.rules().InboxDir()).Msg("watching")
			l.isUp()
		case <-s.intake.Done():
		}
	})

	err := s.pool.Run(s.intake, work)

	stop()
	watching.Wait()
	s.disband(work)
	s.writers.close() // nothing is recorded any more

	if err == nil && kept == nil {
		err = l.journal.MarkClean()
	}

	return errors.Join(err, lost, kept)
}

// linger keeps a session that takes nothing more as long as it is asked what became
// of jobs: until all spools have drained or, if it is only this one, until the
// clients have heard the last of it.
func (l *line) linger(s *session) {
	if _, draining := l.app.stages.Began(); !draining {
		if _, leaving := l.stages.Began(); !leaving {
			return
		}

		s.teller.finish(l.app.stages.Intake())
	}

	if _, draining := l.app.stages.Began(); draining {
		l.arrive()
		<-l.app.lines.calm
	}
}

// arrive says that this line will not work any more.
func (l *line) arrive() { l.arrived.Do(l.app.lines.arrive) }

// report says what a session has done.
func (l *line) report(c process.Counts) {
	l.log.Info().Int("done", c.Done).Int("failed", c.Failed).Int("deferred", c.Deferred).
		Int("interrupted", c.Interrupted).Msg("drained")
}
