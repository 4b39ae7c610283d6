package main

import (
	"context"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

const aboutMonitor = `Monitor follows jobs live: those of the ids, or all of a spool, or all. It goes on when
the connection or the daemon is away for a while, and says so; nothing is missed then,
and no end is told twice.

On a terminal it shows a line for each job that runs, with a bar if its handler reports
progress, what was done in all and how fast; above that scrolls what failed and why.
Elsewhere it prints a line when a job starts and when it ends; with --output json each
event of the API as one line.

With ids it ends when all of these jobs have ended: exit code 1 says that not all are done.
Otherwise it goes on until it is interrupted, which is no error.`

// monitor is one call of the command of this name.
type monitor struct {
	*program
	asking

	since string
}

func (p *program) monitorCommand() *cobra.Command {
	c := &monitor{program: p}

	cmd := &cobra.Command{
		Use:   "monitor [ID...]",
		Short: "Follow jobs live",
		Long:  aboutMonitor,
		Example: `  importerd monitor
  importerd monitor --spool orders
  importerd monitor 25c58cf240c5 && echo done
  importerd monitor --spool orders --output json | jq .job.name`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, apiVariables("spool")...); err != nil {
				return err
			}

			return c.run(cmd.Context(), args)
		},
		ValidArgsFunction: c.completeIDs,
	}

	c.flags(cmd)
	cmd.Flags().StringVar(&c.since, "since", "",
		"`CURSOR` of an event or of a job, as JSON has it: tell what has ended since")
	p.outputFlag(cmd)

	return cmd
}

// run follows the jobs until they have ended or a person ends it.
func (c *monitor) run(ctx context.Context, args []string) error {
	for _, arg := range args {
		if err := checkID(arg); err != nil {
			return err
		}
	}

	if len(args) > wire.MaxWatch {
		return usage("follow the whole spool with --spool", "%d ids are too many: at most %d", len(args), wire.MaxWatch)
	}

	if _, err := wire.ParseCursor(c.since); err != nil {
		return usage("it is the field cursor of what --output json prints", "--since: %w", err)
	}

	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	daemon, err := c.daemon(ctx)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer daemon.Close()

	watch, err := c.watch(ctx, daemon, args)
	if err != nil {
		return unlessStopped(ctx, err)
	}

	f := follower{program: c.program, view: c.viewer(watch), watch: watch}

	return unlessStopped(ctx, f.follow(ctx, daemon.Client))
}

// unlessStopped is err, but nil if a person has ended it.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}

	return err
}

// watch returns what the arguments ask for.
func (c *monitor) watch(ctx context.Context, daemon *remote, args []string) (wire.Watch, error) {
	w := wire.Watch{Since: c.since}

	switch {
	case len(args) > 0:
		ids := make([]job.ID, 0, len(args))

		for _, arg := range args {
			id, err := c.resolve(ctx, daemon, strings.ToLower(arg))
			if err != nil {
				return w, err
			}

			ids = append(ids, id)
		}

		w.Watch = ids
	case daemon.spool.Name != "":
		w.Spool = daemon.spool.Name
	default:
		w.All = true
	}

	return w, nil
}
