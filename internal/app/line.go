package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"importerd/internal/config"
	"importerd/internal/handler/command"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/keep"
	"importerd/internal/process"
	"importerd/internal/spool"
	"importerd/internal/systemd"
	"importerd/internal/watch"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// line is one spool with all that works on it, from its inbox to its end.
type line struct {
	app *App
	cfg config.Spool
	log zerolog.Logger
	up  chan struct{} // closed when the first session has begun, or could not; Run of the app receives

	once     sync.Once // closes up
	spool    *spool.Spool
	journal  *journal.Journal
	session  atomic.Pointer[session] // of the open spool; nil: there is none
	degraded atomic.Pointer[string]  // why there is none
}

// session is the life of one opened spool.
type session struct {
	watcher *watch.Watcher
	pool    *process.Pool
	keeper  *keep.Keeper
	pulses  []*systemd.Pulse // of the loops of all three
}

// pulse registers one more loop with the watchdog. It counts as alive until go.
func (s *session) pulse(dog *systemd.Watchdog, name string) *systemd.Pulse {
	p := dog.Pulse(name)
	p.Waiting()

	s.pulses = append(s.pulses, p)

	return p
}

// begin makes the watchdog expect the loops to come round.
func (s *session) begin() {
	for _, p := range s.pulses {
		p.Back()
	}
}

// end makes the watchdog forget the loops.
func (s *session) end() {
	for _, p := range s.pulses {
		p.End()
	}
}

func newLine(a *App, cfg config.Spool) *line {
	return &line{
		app: a, cfg: cfg, up: make(chan struct{}),
		log: a.opts.Log.With().Str("spool", cfg.Name).Logger(),
	}
}

// open opens the spool.
func (l *line) open() error {
	s, err := spool.Open(l.cfg.Dir, spool.Options{Name: l.cfg.Name, Inbox: l.cfg.Inbox})
	if err != nil {
		l.degrade(err)

		return fmt.Errorf("spool %s: %w", l.cfg.Name, err)
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

		return fmt.Errorf("spool %s: %w", l.cfg.Name, err)
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
	intake := l.app.stages.Intake()
	tick := time.NewTicker(l.cfg.Sweep)

	defer tick.Stop()
	defer l.isUp()

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

		select {
		case <-tick.C:
		case <-intake.Done():
			return nil
		}
	}
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

// work runs one session: recovery, then watch and pool until the intake ends
// or the spool is lost.
func (l *line) work() error {
	s := &session{}
	defer s.end()

	past, err := l.past()
	if err == nil {
		err = l.build(s)
	}

	if err != nil {
		return fmt.Errorf("spool %s: %w", l.cfg.Name, err)
	}

	intake, stop := context.WithCancel(l.app.stages.Intake())
	defer stop()

	work, done := l.app.stages.Work(l.cfg.Drain)
	defer done()

	if err := s.pool.Recover(intake, past); err != nil {
		if intake.Err() != nil {
			return nil // stopped during the start: the next one goes on
		}

		return fmt.Errorf("spool %s: %w", l.cfg.Name, err)
	}

	s.begin()
	l.degraded.Store(nil)
	l.session.Store(s)

	var watching sync.WaitGroup

	var lost, kept error

	watching.Go(func() { kept = s.keep(intake, stop) })
	watching.Go(func() {
		lost = s.watcher.Run(intake)

		stop()
	})
	watching.Go(func() {
		select {
		case <-s.watcher.Armed():
			l.log.Info().Str("inbox", l.cfg.InboxDir()).Msg("watching")
			l.isUp()
		case <-intake.Done():
		}
	})

	err = s.pool.Run(intake, work)

	stop()
	watching.Wait()
	l.report(s.pool.Counts())

	if err == nil && kept == nil {
		err = l.journal.MarkClean()
	}

	return errors.Join(err, lost, kept)
}

// report says what a session has done.
func (l *line) report(c process.Counts) {
	l.log.Info().Int("done", c.Done).Int("failed", c.Failed).Int("deferred", c.Deferred).
		Int("interrupted", c.Interrupted).Msg("drained")
}

// build makes the parts of a session.
func (l *line) build(s *session) error {
	dog := l.app.notifier.Watchdog()
	pulse := s.pulse(dog, l.cfg.Name+" watch")

	watcher, err := watch.New(inbox{l.spool, l.journal, pulse}, watch.Options{
		Path: l.cfg.InboxDir(), Match: l.cfg.Match,
		Settle: l.cfg.Settle, Linger: l.cfg.Linger, Sweep: l.cfg.Sweep,
		Ready: watch.Mode(l.cfg.Ready), Marker: l.cfg.Marker, Order: watch.Order(l.cfg.Order), Husk: l.journal.Husks(),
		Beat: pulse.Beat, BeatEvery: dog.Interval(), Log: l.log,
	})
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}

	s.watcher = watcher

	deps, err := l.deps(s)
	if err != nil {
		return err
	}

	s.pool, err = process.New(process.Config{
		Spool: l.cfg.Name, Workers: l.cfg.Workers, Attempts: l.cfg.Attempts,
		Backoff: process.Backoff{Min: l.cfg.Backoff.Min, Max: l.cfg.Backoff.Max},
		Timeout: l.cfg.Timeout, KillAfter: l.cfg.KillAfter, Results: l.cfg.Results,
		Ordered: l.cfg.Order != config.OrderNone, Marker: l.marker(), BeatEvery: dog.Interval(),
	}, deps)
	if err != nil {
		return fmt.Errorf("pool: %w", err)
	}

	s.keeper, err = l.newKeeper(s)

	return err
}

// deps gives the pool what it works with.
func (l *line) deps(s *session) (process.Deps, error) {
	run := command.Config{
		Command: l.cfg.Command, Env: l.cfg.Env, Dir: l.cfg.Dir,
		Spool: l.cfg.Name, KillAfter: l.cfg.KillAfter, Environ: l.app.opts.Environ,
	}
	if l.cfg.Cwd != "" {
		run.Dir = l.cfg.Cwd
	}

	handle, err := command.New(run)
	if err != nil {
		return process.Deps{}, fmt.Errorf("command: %w", err)
	}

	notify, err := l.notify(run)
	if err != nil {
		return process.Deps{}, fmt.Errorf("on_failed: %w", err)
	}

	dog := l.app.notifier.Watchdog()

	return process.Deps{
		Folders: l.spool, Lister: l.spool, Intake: l.spool,
		Locks: l.spool, Results: l.spool, Papers: l.spool, Reserve: l.spool,
		Journal: l.journal, Index: index{l.journal}, Births: l.journal, Wishes: l.journal,
		Handler: handle, Notify: notify,
		Ready: s.watcher.Ready(), Look: s.watcher.Look,
		Kill:      l.app.stages.Killed(),
		LoopPulse: s.pulse(dog, l.cfg.Name+" pool"), FinishPulse: s.pulse(dog, l.cfg.Name+" finisher"),
		Log: l.log,
	}, nil
}

// notify returns what runs on_failed, nil: there is none.
func (l *line) notify(run command.Config) (func(context.Context, job.Record, []byte) error, error) {
	if len(l.cfg.OnFailed) == 0 {
		return nil, nil //nolint:nilnil // no command, nothing to run
	}

	run.Command = l.cfg.OnFailed

	notifier, err := command.NewNotifier(run)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what it is about
	}

	papers := l.spool

	return func(ctx context.Context, rec job.Record, note []byte) error {
		notice := command.Notice{Job: rec, Note: note}
		if rec.File != "" {
			notice.Path = papers.Path(rec.State.Folder(), rec.File)
		}

		return notifier.Notify(ctx, notice)
	}, nil
}

// marker returns the suffix of markers; empty: the spool has none.
func (l *line) marker() string {
	if l.cfg.Ready != config.ReadyMarker {
		return ""
	}

	return l.cfg.Marker
}
