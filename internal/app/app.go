// Package app puts the parts of the daemon together, starts them in order and
// stops them in the reverse one.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"importerd/internal/config"
	"importerd/internal/control/metrics"
	"importerd/internal/control/monitor"
	"importerd/internal/control/wire"
	"importerd/internal/drain"
	"importerd/internal/handler/cgroup"
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
	// Reload reads the configuration again; nil: there is no file. Its error names
	// all that is wrong, but no secrets: clients see it.
	Reload  func() (config.Config, error)
	Version string // of the program
	// Sockets are listened on instead of what the configuration says, if there are any.
	Sockets []net.Listener
	// Enters says that the program calls enter.Run for enter.Name: then attempts get their
	// cgroups also where the kernel may not start a process in one.
	Enters bool
	Log    zerolog.Logger
	// LogTo takes several whole lines of Log at a time; nil: each is written by itself.
	LogTo io.Writer
}

// App is the daemon.
type App struct {
	opts     Options
	stages   *drain.Stages
	notifier *systemd.Notifier
	lines    *lines
	hub      *monitor.Hub
	metrics  *metrics.Metrics
	api      *api
	groups   *cgroup.Root                // of attempts; nil: none is delegated to us. Set by Run before all
	unmet    func(l cgroup.Limits) error // says which limits are not kept, and why. Set with groups
	started  time.Time
	up       chan struct{} // closed when all spools are up at the start; reloads wait for it
	reloads  *reloads
}

// New returns a daemon that does nothing before Run. When ctx is done it
// drains, as at the first Signal.
func New(ctx context.Context, o Options) (*App, error) {
	a := &App{
		opts: o, stages: drain.New(ctx), notifier: systemd.New(o.Log, o.Env),
		hub:     monitor.New(monitor.Options{Spools: names(o.Config.Spools), Log: o.Log}),
		started: time.Now(), up: make(chan struct{}), reloads: newReloads(),
	}
	a.lines = &lines{app: a, calm: make(chan struct{})}
	a.metrics = metrics.New(metrics.Options{Spools: a.standing, Version: o.Version})

	all, err := a.rulesOf(o.Config)
	for _, r := range all {
		a.lines.add([]*line{newLine(a, r)})
	}

	api, apiErr := newAPI(a)
	a.api = api

	return a, errors.Join(err, apiErr)
}

// rulesOf returns the rules of all spools of a configuration, or all that is wrong.
func (a *App) rulesOf(cfg config.Config) ([]*rules, error) {
	var (
		all  []*rules
		errs []error
	)

	for _, s := range cfg.Spools {
		r, err := a.newRules(s)
		if err != nil {
			errs = append(errs, err)

			continue
		}

		all = append(all, r)
	}

	return all, errors.Join(errs...)
}

// daemon says how the daemon stands.
func (a *App) daemon() wire.Daemon {
	w := wire.Daemon{Version: a.opts.Version, PID: os.Getpid(), StartedAt: a.started.UTC()}
	_, w.Draining = a.stages.Began()
	a.reloads.describe(&w, a.started)

	return w
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
	lines := a.lines.all()
	all := make([]wire.Spool, 0, len(lines))

	for _, l := range lines {
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

	a.isolate()
	defer a.letGo()

	a.warnOfLimits(a.opts.Config)

	//nolint:contextcheck // the stages come from the context that New got
	stop := context.AfterFunc(a.stages.Intake(), end)
	defer stop()

	var group drain.Group

	group.Add("supervisor's messages", tellGrace, a.notifier.Run)
	group.Add("status", tellGrace, a.status)
	group.Add("monitor", tellGrace, a.monitored)
	group.Add("api", apiGrace, a.api.run)
	//nolint:contextcheck // the spools live by the stages: they outlive the signal to stop
	group.AddLasting("spools", a.longestStop, func(context.Context) error {
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
	for _, l := range a.lines.draining() {
		r := l.rules()
		longest = max(longest, r.Drain+r.graces()*r.KillAfter)
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

	for _, l := range a.lines.configured() {
		if err := l.open(); err != nil && (a.opts.Once || isFinal(err)) {
			a.closeAll()

			return err
		}
	}

	if err := a.api.listen(starting); err != nil {
		a.closeAll()

		return err
	}

	var besides sync.WaitGroup

	besides.Go(func() { a.announce(living, started) })

	if a.opts.Once {
		besides.Go(a.endWhenIdle)
	}

	errs := a.lines.live()

	over()
	besides.Wait()

	return errors.Join(errs...)
}

// announce tells the supervisor when all spools are up and when the drain
// begins, and asks for the time that it takes. It ends with living. started
// ends the asking for time during the start.
func (a *App) announce(living context.Context, started context.CancelFunc) {
	intake := a.stages.Intake()

	lines := a.lines.configured()

	for _, l := range lines {
		select {
		case <-l.up:
		case <-intake.Done():
		}
	}

	started()

	if intake.Err() == nil {
		a.opts.Log.Info().Int("spools", len(lines)).Msg("ready")
		a.notifier.Ready()
		close(a.up)
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

// closeAll gives back what was opened when the start fails.
func (a *App) closeAll() {
	for _, l := range a.lines.configured() {
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
