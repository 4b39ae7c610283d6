package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"importerd/internal/config"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/process"
	"importerd/internal/spool"

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
	arrived  sync.Once // see arrive
	spool    *spool.Spool
	journal  *journal.Journal
	session  atomic.Pointer[session] // of the open spool; nil: there is none
	degraded atomic.Pointer[string]  // why there is none
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
	defer l.arrive()

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
	intake, stop := context.WithCancel(l.app.stages.Intake())
	defer stop()

	s := &session{
		intake: intake, began: time.Now(), spool: l.spool, journal: l.journal,
		teller: &teller{count: l.app.metrics.Spool(l.cfg.Name)},
	}
	defer s.end()

	past, err := l.past()
	if err == nil {
		err = l.build(s)
	}

	if err != nil {
		return fmt.Errorf("spool %s: %w", l.cfg.Name, err)
	}

	work, done := l.app.stages.Work(func() time.Duration { return l.cfg.Drain })
	defer done()

	if err := s.pool.Recover(intake, past); err != nil {
		if intake.Err() != nil {
			return nil // stopped during the start: the next one goes on
		}

		return fmt.Errorf("spool %s: %w", l.cfg.Name, err)
	}

	s.begin()
	s.teller.open(l.app.hub.Feed(l.cfg.Name, told{l.journal}))
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
	s.writers.close() // nothing is recorded any more
	l.report(s.pool.Counts())

	if err == nil && kept == nil {
		err = l.journal.MarkClean()
	}

	if _, draining := l.app.stages.Began(); draining {
		l.arrive()
		<-l.app.calm // until then it is asked what became of jobs
	}

	return errors.Join(err, lost, kept)
}

// arrive says that this line will not work any more.
func (l *line) arrive() {
	l.arrived.Do(func() {
		if l.app.working.Add(-1) == 0 {
			close(l.app.calm)
		}
	})
}

// report says what a session has done.
func (l *line) report(c process.Counts) {
	l.log.Info().Int("done", c.Done).Int("failed", c.Failed).Int("deferred", c.Deferred).
		Int("interrupted", c.Interrupted).Msg("drained")
}
