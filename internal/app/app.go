// Package app puts the parts of the daemon together, starts them in order and
// stops them in the reverse one.
package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"importerd/internal/config"
	"importerd/internal/control/metrics"
	"importerd/internal/control/monitor"
	"importerd/internal/control/wire"
	"importerd/internal/drain"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/spool"
	"importerd/internal/systemd"

	"github.com/rs/zerolog"
)

// ErrUnfinished says that a run with Once left files failed, deferred or held.
var ErrUnfinished = errors.New("some files are failed, deferred or held")

const (
	// tellGrace is how long the supervisor gets to take the last message.
	tellGrace = 5 * time.Second
	// stopMargin is how much longer than their drain and the grace of their
	// handlers the spools may take before they are left behind.
	stopMargin = time.Minute
)

// Options are what the command line gives the daemon.
type Options struct {
	Config  config.Config
	Environ []string    // what handlers inherit, as os.Environ gives it
	Env     systemd.Env // what a supervisor told
	Once    bool        // end when what is there is handled
	Version string      // of the program
	// Sockets are listened on instead of what the configuration says, if there are any.
	Sockets []net.Listener
	Log     zerolog.Logger
}

// App is the daemon.
type App struct {
	opts     Options
	stages   *drain.Stages
	notifier *systemd.Notifier
	lines    []*line
	hub      *monitor.Hub
	metrics  *metrics.Metrics
	api      *api
	started  time.Time
	ending   sync.Once     // begins the drain for a reason of our own
	working  atomic.Int64  // lines that have not arrived at their end
	calm     chan struct{} // closed by the last line that arrives
}

// New returns a daemon that does nothing before Run. When ctx is done it
// drains, as at the first Signal.
func New(ctx context.Context, o Options) (*App, error) {
	a := &App{
		opts: o, stages: drain.New(ctx), notifier: systemd.New(o.Log, o.Env),
		hub:  monitor.New(monitor.Options{Spools: names(o.Config.Spools), Log: o.Log}),
		calm: make(chan struct{}), started: time.Now(),
	}

	var errs []error

	for _, cfg := range o.Config.Spools {
		if err := cfg.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("spool %s: %w", cfg.Name, err))
		}

		a.lines = append(a.lines, newLine(a, cfg))
	}

	a.working.Store(int64(len(a.lines)))
	a.metrics = metrics.New(metrics.Options{Spools: a.standing, Version: o.Version})

	var err error

	if a.api, err = newAPI(a); err != nil {
		errs = append(errs, err)
	}

	return a, errors.Join(errs...)
}

// daemon says how the daemon stands.
func (a *App) daemon() wire.Daemon {
	_, draining := a.stages.Began()

	return wire.Daemon{
		Version: a.opts.Version, PID: os.Getpid(), StartedAt: a.started.UTC(), ReloadedAt: a.started.UTC(),
		Draining: draining,
	}
}

// names returns the names of spools.
func names(spools []config.Spool) []string {
	all := make([]string, 0, len(spools))
	for _, s := range spools {
		all = append(all, s.Name)
	}

	return all
}

// standing says how all spools stand.
func (a *App) standing() []wire.Spool {
	all := make([]wire.Spool, 0, len(a.lines))

	for _, l := range a.lines {
		all = append(all, remote{l}.status())
	}

	return all
}

// Signal takes one more signal to stop: the first one drains, the second one
// cuts off what runs, the third one kills it.
func (a *App) Signal() {
	stage := a.stages.Signal()
	a.opts.Log.Info().Str("stage", string(stage)).Msg("told to stop")
}

// Run lives until the daemon has drained. It returns nil after a clean stop;
// *spool.LockedError, *spool.UnfitError and *journal.NewerError if it could not start; an error that
// wraps job.ErrUntrusted or job.ErrDisk if the end of some job could not be
// written; ErrUnfinished after a run with Once that left something.
func (a *App) Run(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()

	//nolint:contextcheck // the stages come from the context that New got
	stop := context.AfterFunc(a.stages.Intake(), end)
	defer stop()

	var group drain.Group

	group.Add("supervisor's messages", tellGrace, a.notifier.Run)
	group.Add("status", tellGrace, a.status)
	group.Add("api", apiGrace, a.api.run)
	//nolint:contextcheck // the spools live by the stages: they outlive the signal to stop
	group.Add("spools", a.longestStop(), func(context.Context) error {
		defer end()

		return a.runSpools()
	})

	if err := group.Run(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}

	if a.opts.Once && a.unfinished() {
		return ErrUnfinished
	}

	return nil
}

// longestStop returns how long the spools may take to stop.
func (a *App) longestStop() time.Duration {
	longest := time.Duration(0)
	for _, l := range a.lines {
		longest = max(longest, l.cfg.Drain+l.cfg.KillAfter)
	}

	return longest + stopMargin
}

// runSpools opens all spools and lives until each has drained. A spool that is
// taken or unfit at the start ends the daemon; one that is lost later ends
// after the others have drained.
func (a *App) runSpools() error {
	starting, started := context.WithCancel(a.stages.Intake())
	defer started()

	living, over := context.WithCancel(context.WithoutCancel(starting))
	defer over()

	a.notifier.Busy(starting)

	for _, l := range a.lines {
		if err := l.open(); err != nil && (a.opts.Once || isFinal(err)) {
			a.closeAll()

			return err
		}
	}

	if err := a.api.listen(starting); err != nil {
		a.closeAll()

		return err
	}

	var wg sync.WaitGroup

	errs := make([]error, len(a.lines))

	for i, l := range a.lines {
		wg.Go(func() {
			if errs[i] = l.run(); errs[i] != nil {
				a.begin() // the others drain
			}
		})
	}

	announcing := sync.WaitGroup{}
	announcing.Go(func() { a.announce(living, started) })

	if a.opts.Once {
		wg.Go(a.endWhenIdle)
	}

	wg.Wait()
	over()
	announcing.Wait()

	return errors.Join(errs...)
}

// announce tells the supervisor when all spools are up and when the drain
// begins, and asks for the time that it takes. It ends with living. started
// ends the asking for time during the start.
func (a *App) announce(living context.Context, started context.CancelFunc) {
	intake := a.stages.Intake()

	for _, l := range a.lines {
		select {
		case <-l.up:
		case <-intake.Done():
		}
	}

	started()

	if intake.Err() == nil {
		a.opts.Log.Info().Int("spools", len(a.lines)).Msg("ready")
		a.notifier.Ready()
	}

	select {
	case <-intake.Done():
	case <-living.Done():
	}

	a.notifier.Stopping()

	draining, drained := context.WithTimeout(living, a.longestStop())
	defer drained()

	a.notifier.Busy(draining)
	<-draining.Done()
}

// begin begins the drain unless it has begun.
func (a *App) begin() {
	a.ending.Do(func() {
		if _, begun := a.stages.Began(); !begun {
			a.stages.Signal()
		}
	})
}

// closeAll gives back what was opened when the start fails.
func (a *App) closeAll() {
	for _, l := range a.lines {
		l.close()
	}
}

// isFinal says whether an error at the start ends the daemon, because it will
// not go away by itself.
func isFinal(err error) bool {
	_, locked := errors.AsType[*spool.LockedError](err)
	_, unfit := errors.AsType[*spool.UnfitError](err)
	_, newer := errors.AsType[*journal.NewerError](err)

	return locked || unfit || newer || errors.Is(err, job.ErrUntrusted)
}
