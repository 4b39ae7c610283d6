package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"importerd/internal/control/client"
	"importerd/internal/job"
)

// logs is one call of the command log.
type logs struct {
	*program
	asking
	follow bool
}

func (p *program) logCommand() *cobra.Command {
	c := &logs{program: p}

	cmd := &cobra.Command{
		Use:   "log ID",
		Short: "Print what the handler of a job said",
		Long: `Log prints the log of one job: the output of its handler, as it is, all attempts
below each other. ID is the job's id, or at least 6 characters of its begin or end.
With --follow it goes on until the job has ended, which needs the daemon. Exit code 1
says that there is no such job, or that its log is gone; 69 that no daemon can be followed.`,
		Example: "  importerd log 25c58cf240c5\n  importerd log 25c58cf240c5 --spool orders | tail -n 20\n" +
			"  importerd log 25c58cf240c5 --follow",
		Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, apiVariables("spool")...); err != nil {
				return err
			}

			return c.run(cmd.Context(), args[0])
		},
		ValidArgsFunction: c.completeID,
	}

	c.flags(cmd)
	cmd.Flags().BoolVarP(&c.follow, "follow", "f", false, "go on until the job has ended")

	return cmd
}

// run prints the log as it lies in the spool; what is to be followed, or may not be read
// by us, comes from the daemon.
func (c *logs) run(ctx context.Context, id string) error {
	if c.follow || c.listen != "" {
		err := c.remote(ctx, id)
		if !errors.Is(err, client.ErrUnreachable) || c.listen != "" {
			return err
		}

		return c.unfollowed(id, err)
	}

	f, err := c.findJob(id)
	if err == nil {
		return c.printLog(f)
	}

	if code(err) == codeConfig {
		if err := c.remote(ctx, id); !errors.Is(err, client.ErrUnreachable) {
			return err
		}
	}

	return err
}

// remote prints what the daemon has, and follows it if that is wanted.
func (c *logs) remote(ctx context.Context, text string) error {
	daemon, err := c.daemon(ctx)
	if err != nil {
		return err
	}

	id, err := c.resolve(ctx, daemon, strings.ToLower(text))
	if err != nil {
		return err
	}

	log, err := daemon.Log(ctx, id, c.follow)
	if err != nil {
		return fmt.Errorf("log of job %s: %w", id, err)
	}
	defer log.Close()

	n, err := io.Copy(c.stdout, log)
	if err != nil {
		return fmt.Errorf("print the log of job %s: %w", id, err)
	}

	return c.ended(ctx, daemon, id, n)
}

// ended says why there is nothing more to be printed, or nothing at all.
func (c *logs) ended(ctx context.Context, daemon *remote, id job.ID, printed int64) error {
	if !c.follow && printed > 0 {
		return nil
	}

	j, err := daemon.Job(ctx, id)

	switch {
	case err != nil:
		return fmt.Errorf("job %s: %w", id, err)
	case c.follow && !j.State.Ended():
		return &fault{code: codeUnavailable, err: fmt.Errorf("job %s has not ended, but the daemon is about to end", id)}
	case printed > 0:
		return nil
	case j.Output != "":
		return logGone(id)
	case j.StartedAt.IsZero():
		fmt.Fprintf(c.stderr, "job %s has not been started yet\n", id)
	default:
		fmt.Fprintf(c.stderr, "job %s has said nothing\n", id)
	}

	return nil
}

// unfollowed prints the log of a job as it lies in the spool, because of why: that is all
// if the job has ended.
func (c *logs) unfollowed(id string, why error) error {
	f, err := c.findJob(id)
	if err != nil {
		if code(err) == codeConfig { // nothing could be looked up
			return why
		}

		return err
	}

	if err := c.printLog(f); err != nil || f.rec.State.Ended() {
		return err
	}

	return fmt.Errorf("follow job %s: %w", f.rec.ID, why)
}

// printLog copies the job's log. There is none before the handler has said
// something.
func (p *program) printLog(f found) error {
	path := f.own("logs", f.rec.ID.String()+".log")

	file, err := os.Open(path)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p.noLog(f)
	case err != nil:
		return fmt.Errorf("read the log: %w", err)
	}
	defer file.Close()

	if _, err := io.Copy(p.stdout, file); err != nil {
		return fmt.Errorf("print the log: %w", err)
	}

	return nil
}

// noLog says why there is none.
func (p *program) noLog(f found) error {
	rec := &f.rec

	switch {
	case rec.StartedAt.IsZero():
		fmt.Fprintf(p.stderr, "job %s has not been started yet\n", rec.ID)
	case rec.Exit != nil && len(rec.Exit.Tail) > 0:
		return logGone(rec.ID)
	default:
		fmt.Fprintf(p.stderr, "job %s has said nothing\n", rec.ID)
	}

	return nil
}

// logGone says that there was a log.
func logGone(id job.ID) error {
	return &fault{
		code: codeNotSo, err: fmt.Errorf("the log of job %s is gone", id),
		hint: "importerd show " + id.String() + " has the last that it said",
	}
}
