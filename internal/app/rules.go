package app

import (
	"context"
	"fmt"
	"time"

	"importerd/internal/config"
	"importerd/internal/handler/cgroup"
	"importerd/internal/handler/command"
	"importerd/internal/job"
	"importerd/internal/keep"
	"importerd/internal/process"
	"importerd/internal/watch"
)

// logSpace is how much of the disk the logs of done jobs may take, in bytes.
const logSpace = 1 << 30

// rules are the settings of a spool with what is made of them. Nobody writes to them.
type rules struct {
	config.Spool

	handle   *command.Handler  // nil: there are workers
	service  *command.Service  // what workers are; nil: there are none
	notifier *command.Notifier // nil: nothing is run
}

// newRules returns the rules that follow from settings.
func (a *App) newRules(cfg config.Spool) (*rules, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("spool %s: %w", cfg.Name, err)
	}

	run := command.Config{
		Command: cfg.Command, Env: cfg.Env, Dir: cfg.Dir,
		Spool: cfg.Name, KillAfter: cfg.KillAfter, Environ: a.opts.Environ,
		Groups: func() *cgroup.Root { return a.groups }, Limits: limitsOf(cfg),
	}
	if cfg.Cwd != "" {
		run.Dir = cfg.Cwd
	}

	r := &rules{Spool: cfg}

	if err := r.equip(run); err != nil {
		return nil, fmt.Errorf("spool %s: %w", cfg.Name, err)
	}

	if len(cfg.OnFailed) == 0 {
		return r, nil
	}

	var err error

	run.Command = cfg.OnFailed
	if r.notifier, err = command.NewNotifier(run); err != nil {
		return nil, fmt.Errorf("spool %s: on_failed: %w", cfg.Name, err)
	}

	return r, nil
}

// equip makes what does the work.
func (r *rules) equip(run command.Config) error {
	var err error

	if len(r.Worker) > 0 {
		run.Command = r.Worker
		if r.service, err = command.NewService(run); err != nil {
			return fmt.Errorf("worker: %w", err)
		}

		return nil
	}

	if r.handle, err = command.New(run); err != nil {
		return fmt.Errorf("command: %w", err)
	}

	return nil
}

// crew are the settings that workers are started with: only another one needs new ones.
func (r *rules) crew() config.Spool {
	return config.Spool{
		Worker: r.Worker, Env: r.Env, Cwd: r.Cwd, Workers: r.Workers, Inflight: r.Inflight,
		KillAfter: r.KillAfter, Limits: r.Limits,
	}
}

// graces returns how many times KillAfter it may take until what runs has ended: workers
// get one to go by themselves.
func (r *rules) graces() time.Duration {
	if r.service != nil {
		return 2
	}

	return 1
}

// watching returns the rules of the inbox.
func (r *rules) watching() watch.Options {
	return watch.Options{
		Path: r.InboxDir(), Match: r.Match, Settle: r.Settle, Linger: r.Linger, Sweep: r.Sweep,
		Ready: watch.Mode(r.Ready), Marker: r.Marker, Order: watch.Order(r.Order),
	}
}

// processing returns the rules of the pool.
func (r *rules) processing() process.Config {
	c := process.Config{
		Spool: r.Name, Workers: r.Slots(), Shared: r.service != nil, Attempts: r.Attempts,
		Backoff: process.Backoff{Min: r.Backoff.Min, Max: r.Backoff.Max},
		Timeout: r.Timeout, KillAfter: r.KillAfter, Results: r.Results, Ordered: r.Order != config.OrderNone,
	}

	if r.Ready == config.ReadyMarker {
		c.Marker = r.Marker
	}

	return c
}

// keeping returns the rules of the keeper.
func (r *rules) keeping() keep.Config {
	return keep.Config{Done: r.Keep.Done, Failed: r.Keep.Failed, Logs: r.Keep.Logs, Space: logSpace}
}

// telling returns what runs on_failed for jobs whose files lie where papers says;
// nil: there is none.
func (r *rules) telling(papers process.Papers) func(context.Context, job.Record, []byte) error {
	if r.notifier == nil {
		return nil
	}

	return func(ctx context.Context, rec job.Record, note []byte) error {
		notice := command.Notice{Job: rec, Note: note}
		if rec.File != "" {
			notice.Path = papers.Path(rec.State.Folder(), rec.File)
		}

		return r.notifier.Notify(ctx, notice)
	}
}
