package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"importerd/internal/control/client"
	"importerd/internal/job"
)

const aboutStart = `Start makes a job without a file that was dropped: a trigger. What is in FILE, or comes
from standard input with -, is the job's file; without it that is empty. The job's id is
printed. SPOOL is the spool's directory, or its name in the configuration file.

A spool has one trigger at a time. Exit code 1 says that the one before has not ended, and
which that is; or that the spool is paused, or about to end. --wait waits for the end of
the job; then exit code 1 says as well that it was not done.

Exit code 69 says that no daemon answers, or that the connection broke: then the job may have
been started or not. Do it again with the --id that is told: that is harmless.`

// start is one call of the command of this name.
type start struct {
	*program
	api
	at   places
	name string
	id   job.ID // that the job shall get; zero: a new one
	wait bool
}

func (p *program) startCommand() *cobra.Command {
	c := &start{program: p, api: p.newAPI()}

	cmd := &cobra.Command{
		Use:   "start SPOOL [FILE | -]",
		Short: "Start a job that has no dropped file",
		Long:  aboutStart,
		Example: `  importerd start reports
  importerd start reports month.json --wait
  echo 2026-07 | importerd start /srv/importerd/reports - --name month`,
		Args: startArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, apiVariables()...); err != nil {
				return err
			}

			return c.run(cmd.Context(), args)
		},
		ValidArgsFunction: c.at.completeSpoolAndFiles,
	}

	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&c.name, "name", "", "`NAME` of the job's file (default FILE's, or start-ID)")
	cmd.Flags().Var(idOption{&c.id}, "id", "id that the job shall get: a UUID")
	cmd.Flags().BoolVar(&c.wait, "wait", false, "wait for the end of the job")
	c.at.configFlag(cmd)
	c.flags(cmd)
	p.outputFlag(cmd)

	return cmd
}

// startArguments refuses a wrong number of them.
func startArguments(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usage("importerd start SPOOL", "which spool?")
	case 1, 2:
		return nil
	}

	return usage("importerd start "+args[0]+" "+args[1], "one job at a time: %q is one too many", args[2])
}

// run starts the job.
func (c *start) run(ctx context.Context, args []string) error {
	var from *upload

	if len(args) > 1 {
		u, err := c.openUpload(args[1])
		if err != nil {
			return &fault{code: codeData, err: fmt.Errorf("start: %w", err)}
		}
		defer u.Close() //nolint:errcheck // it was only read

		from = u
	}

	if c.name == "" && from != nil && args[1] != "-" {
		c.name = filepath.Base(args[1])
	}

	if c.name != "" {
		if err := job.CheckName(c.name); err != nil {
			return &fault{code: codeData, err: fmt.Errorf("start: %w", err)}
		}
	}

	daemon, err := c.find(ctx, c.at.config, args[0])
	if err != nil {
		return err
	}

	return c.send(ctx, daemon, from)
}

// send starts the job and waits for it if that is wanted.
func (c *start) send(ctx context.Context, daemon *remote, from *upload) error {
	var body client.Body
	if from != nil {
		body = from.body()
	}

	id := c.id
	if id.IsZero() { // known before, so that a repeat is possible whatever happens
		id = job.NewID()
	}

	j, err := daemon.Start(ctx, daemon.spool.Name, c.name, id, body)
	if err != nil {
		return sendFault("start", id, from, err)
	}

	if c.output != "json" {
		fmt.Fprintln(c.stdout, j.ID)
	}

	if c.wait {
		ended, waitErr := outcome(ctx, daemon.Client, j.ID)
		if err = waitErr; !ended.ID.IsZero() {
			j = ended
		}
	}

	if c.output == "json" {
		err = errors.Join(err, c.printJSON(j))
	}

	return err
}
