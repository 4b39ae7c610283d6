package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"importerd/internal/config"
	"importerd/internal/handler"
	"importerd/internal/handler/worker"
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

	fleet   *worker.Fleet
	handler handler.Handler // of the present rules; the line's mu guards it, or nobody else knows s
	crew    config.Spool    // with which its workers are started; as handler

	watcher *watch.Watcher
	pool    *process.Pool
	keeper  *keep.Keeper
	pulses  []*systemd.Pulse // of the loops of all three

	watching, keeping *systemd.Pulse // those whose loops end before the pool
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

// build makes the parts of a session, under the rules of the line.
func (l *line) build(s *session, r *rules) error {
	var err error

	dog := l.app.notifier.Watchdog()
	s.watching = s.pulse(dog, r.Name+" watch")
	s.employ(r)

	watching := r.watching()
	watching.Husk, watching.Log = s.journal.Husks(), l.log
	watching.Beat, watching.BeatEvery = s.watching.Beat, dog.Interval()

	if s.watcher, err = watch.New(inbox{s.spool, s.journal, s.watching}, watching); err != nil {
		return fmt.Errorf("watch: %w", err)
	}

	processing := r.processing()
	processing.BeatEvery = dog.Interval()

	if s.pool, err = process.New(processing, l.deps(s, r)); err != nil {
		return fmt.Errorf("pool: %w", err)
	}

	return l.buildKeeper(s, r)
}

// buildKeeper makes what removes things that were kept long enough.
func (l *line) buildKeeper(s *session, r *rules) error {
	var err error

	dog := l.app.notifier.Watchdog()
	s.keeping = s.pulse(dog, r.Name+" keeper")
	keeping := r.keeping()
	keeping.BeatEvery = dog.Interval()

	s.keeper, err = keep.New(keeping, keep.Deps{
		Folders: s.spool, Logs: logs{s.spool}, History: history{s.journal},
		Wall:  func() time.Time { return time.Now().Round(0) },
		Pulse: s.keeping, Log: l.log,
	})
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}

	return nil
}

// deps gives the pool what it works with.
func (l *line) deps(s *session, r *rules) process.Deps {
	dog := l.app.notifier.Watchdog()

	return process.Deps{
		Folders: s.spool, Lister: s.spool, Intake: s.spool,
		Locks: l.locks(s), Results: s.spool, Papers: s.spool, Reserve: s.spool,
		Journal: s.journal, Index: index{s.journal}, Births: s.journal, Wishes: s.journal,
		Handler: s.handler, Notify: r.telling(s.spool),
		Teller: s.teller,
		Ready:  s.watcher.Ready(), Look: s.watcher.Look,
		Kill:      l.app.stages.Killed(),
		LoopPulse: s.pulse(dog, r.Name+" pool"), FinishPulse: s.pulse(dog, r.Name+" finisher"),
		NotifyPulse: s.pulse(dog, r.Name+" on_failed"),
		Log:         l.log, LogTo: l.app.opts.LogTo,
	}
}

// keep removes what was kept long enough until ctx is done. If the disk cannot
// be trusted any more it calls stop.
func (s *session) keep(ctx context.Context, stop func()) error {
	err := s.keeper.Run(ctx)
	if err != nil {
		stop()

		return fmt.Errorf("keep: %w", err)
	}

	return nil
}

// change gives all parts other rules. The watcher comes first: what the pool gives
// back is judged by its new ones.
func (s *session) change(ctx context.Context, r *rules, beatEvery time.Duration) error {
	processing, keeping := r.processing(), r.keeping()
	processing.BeatEvery, keeping.BeatEvery = beatEvery, beatEvery

	s.employ(r)

	err := errors.Join(
		s.watcher.Change(ctx, r.watching()),
		s.pool.Change(ctx, processing, s.handler, r.telling(s.spool)),
		s.keeper.Change(keeping),
	)
	s.dismiss()

	return err
}
