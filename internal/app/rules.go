package app

import (
	"context"
	"fmt"

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

	handle   *command.Handler
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

	handle, err := command.New(run)
	if err != nil {
		return nil, fmt.Errorf("spool %s: command: %w", cfg.Name, err)
	}

	r := &rules{Spool: cfg, handle: handle}

	if len(cfg.OnFailed) == 0 {
		return r, nil
	}

	run.Command = cfg.OnFailed
	if r.notifier, err = command.NewNotifier(run); err != nil {
		return nil, fmt.Errorf("spool %s: on_failed: %w", cfg.Name, err)
	}

	return r, nil
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
		Spool: r.Name, Workers: r.Workers, Attempts: r.Attempts,
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
