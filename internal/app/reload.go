package app

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// reloadPatience bounds how long a reload waits for spools that come to be up, and
// for loops to take other rules. What takes longer comes about all the same.
const reloadPatience = 10 * time.Second

// ErrNoFile says that the daemon runs without a configuration file.
var ErrNoFile = errors.New("this daemon runs without a configuration file: restart it with other options")

// reloads is what is known of reloads.
type reloads struct {
	turn chan struct{} // who reloads sends, and receives when done; holds one

	mu    sync.Mutex
	busy  bool      // guarded by mu; a reload is under way
	at    time.Time // guarded by mu; of the last one that was taken; zero: none was
	fault string    // guarded by mu; why a later one was not; empty: it was, or there was none
}

func newReloads() *reloads { return &reloads{turn: make(chan struct{}, 1)} }

// describe adds what clients are told; started is when the daemon was.
func (r *reloads) describe(w *wire.Daemon, started time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()

	w.ReloadedAt, w.ReloadError = started.UTC(), r.fault
	if !r.at.IsZero() {
		w.ReloadedAt = r.at.UTC()
	}
}

// state says whether one is under way and whether the last one was refused.
func (r *reloads) state() (busy, refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.busy, r.fault != ""
}

// begin notes that a reload is under way.
func (r *reloads) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.busy = true
}

// end notes how it has ended.
func (r *reloads) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.busy, r.fault = false, ""

	if err != nil {
		r.fault = err.Error()
	} else {
		r.at = time.Now()
	}
}

// Reload reads the configuration again and brings about what has changed. If
// anything is wrong with it nothing changes, and the error says what. One reload is
// made at a time, none before all spools are up at the start: until ctx is done it
// waits for its turn. It tells the log, the supervisor and the metrics.
//
// Errors: job.ErrDraining; ErrNoFile; that of ctx; what is wrong with the
// configuration.
func (a *App) Reload(ctx context.Context) (wire.Reloaded, error) {
	intake := a.stages.Intake()

	for _, step := range []struct {
		over <-chan struct{}
		take chan<- struct{}
	}{{over: a.up}, {take: a.reloads.turn}} {
		select {
		case <-step.over:
		case step.take <- struct{}{}:
		case <-intake.Done():
			return wire.Reloaded{}, job.ErrDraining
		case <-ctx.Done():
			return wire.Reloaded{}, context.Cause(ctx)
		}
	}

	defer func() { <-a.reloads.turn }()

	if _, draining := a.stages.Began(); draining {
		return wire.Reloaded{}, job.ErrDraining
	}

	// Whoever has asked for it may go: what has begun is brought to its end.
	ctx, over := context.WithTimeout(intake, reloadPatience)
	defer over()

	a.notifier.Reloading()
	a.notifier.Busy(ctx) //nolint:contextcheck // see above
	a.reloads.begin()
	a.notifier.Status(a.statusLine(time.Now()))

	done, err := a.reload(ctx) //nolint:contextcheck // see above
	a.reloads.end(err)
	a.notifier.Status(a.statusLine(time.Now()))
	a.notifier.Ready()
	a.tellReload(done, err)

	return done, err
}

// tellReload tells the log and the metrics of a reload.
func (a *App) tellReload(done wire.Reloaded, err error) {
	log := a.opts.Log

	if err == nil {
		a.metrics.Reloaded(time.Now(), nil)

		for _, key := range done.Restart {
			log.Warn().Str("key", key).Msg("this setting holds from the next restart on")
		}

		log.Info().Strs("added", done.Added).Strs("removed", done.Removed).Strs("changed", done.Changed).
			Msg("configuration reloaded")

		return
	}

	switch {
	case errors.Is(err, job.ErrDraining):
		return // who has asked is told
	case errors.Is(err, ErrNoFile):
		log.Warn().Msg("no reload: " + ErrNoFile.Error())

		return
	}

	a.metrics.Reloaded(time.Now(), err)

	for line := range strings.Lines(err.Error()) {
		log.Error().Str("err", strings.TrimSuffix(line, "\n")).Msg("reload refused, nothing has changed")
	}
}

// reload is Reload, when it is its turn.
func (a *App) reload(ctx context.Context) (wire.Reloaded, error) {
	if a.opts.Reload == nil {
		return wire.Reloaded{}, ErrNoFile
	}

	cfg, err := a.opts.Reload()
	if err != nil {
		return wire.Reloaded{}, err
	}

	all, err := a.rulesOf(cfg)
	if err != nil {
		return wire.Reloaded{}, err
	}

	p := a.plan(all)

	if err := p.open(); err != nil {
		return wire.Reloaded{}, err
	}

	if !a.lines.replace(p.leave, p.come) { //nolint:contextcheck // lines outlive the reload
		p.close()

		return wire.Reloaded{}, job.ErrDraining
	}

	a.warnOfLimits(cfg)
	p.change(ctx)
	p.await(ctx)

	p.told.Restart = a.opts.Config.API.Differences(cfg.API)

	return p.told, nil
}
