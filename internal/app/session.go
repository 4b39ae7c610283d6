package app

import (
	"context"
	"fmt"
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
)

// session is the life of one opened spool.
type session struct {
	intake  context.Context //nolint:containedctx // what comes from outside must know when it ends
	began   time.Time
	spool   *spool.Spool
	journal *journal.Journal
	teller  *teller
	writers visits // those who record something; closed first
	readers visits

	doneSize doneSize

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

// end waits for those who use the session and makes the watchdog forget the loops.
func (s *session) end() {
	s.writers.close()
	s.readers.close()
	s.teller.close()

	for _, p := range s.pulses {
		p.End()
	}
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
		Teller: s.teller,
		Ready:  s.watcher.Ready(), Look: s.watcher.Look,
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
