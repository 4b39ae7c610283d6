package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"importerd/internal/config"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

const aboutStatus = `Status shows in one screen how the daemon and its spools stand: what waits and since
when, what runs, what is held, broken or refused and why, what is done and how done/
grows, and the last failure. SPOOL is a spool's directory or its name; without it
all spools of the daemon are shown.

The exit code serves a monitoring check:
   0  all is well
   1  a spool is degraded, its handler is broken, its disk refuses, it holds files,
      or a job of it failed within the last hour (--failed-within); or the daemon
      could not take its changed configuration
  69  the daemon cannot be reached: then it is shown what the folders and the
      journal tell
That jobs wait, are deferred or paused, and that a spool is paused or drains, is well.`

// status is one call of the command of this name.
type status struct {
	*program
	asking

	within string // failures of so long ago are trouble
	alive  bool   // only whether the daemon answers
}

// standing is what status prints for machines.
type standing struct {
	Well      bool         `json:"well"`
	Problems  []problem    `json:"problems"`
	Reachable bool         `json:"reachable"`
	Daemon    *wire.Daemon `json:"daemon,omitempty"` // none: not reachable
	Spools    []wire.Spool `json:"spools"`           // as the daemon tells
	Still     []stillSpool `json:"still,omitempty"`  // as folders and journals tell, if the daemon is not reachable
}

func (p *program) statusCommand() *cobra.Command {
	c := &status{program: p}

	cmd := &cobra.Command{
		Use:   "status [SPOOL]",
		Short: "Show how the daemon and its spools stand",
		Long:  aboutStatus,
		Example: `  importerd status
  importerd status orders --failed-within 10m
  importerd status --output json | jq '.problems'
  importerd status --alive`,
		Args: oneSpoolAtMost,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, apiVariables("spool")...); err != nil {
				return err
			}

			if len(args) > 0 {
				c.spool = args[0]
			}

			return c.run(cmd.Context())
		},
		ValidArgsFunction: c.completeSpool,
	}

	c.flags(cmd)
	cmd.Flags().StringVar(&c.within, "failed-within", "1h", "a job that failed so long ago (`D`) is trouble; 0: none is")
	cmd.Flags().BoolVar(&c.alive, "alive", false, "print nothing; 0 if the daemon answers, however its spools stand")
	p.outputFlag(cmd)

	return cmd
}

// run shows the status. Its error makes the exit code.
func (c *status) run(ctx context.Context) error {
	if c.alive {
		_, err := c.ask(ctx)

		return err
	}

	within, err := config.ParseDuration(c.within)
	if err != nil {
		return usage("", "--failed-within: %w", err)
	}

	all, err := c.ask(ctx)
	if err != nil {
		return c.still(err)
	}

	now := time.Now()
	s := standing{Reachable: true, Daemon: &all.Daemon, Spools: []wire.Spool{}, Problems: problemsOf(all, now, within)}
	s.Spools = append(s.Spools, all.Spools...)
	s.Well = len(s.Problems) == 0

	if c.output == "json" {
		err = c.printJSON(s)
	} else {
		screen{newPainter(c.stdout), now}.print(all, s.Problems)
	}

	if err == nil && !s.Well {
		err = &fault{code: codeNotSo, err: errTold}
	}

	return err
}

// ask asks the daemon how all spools stand, or the one that is meant.
func (c *status) ask(ctx context.Context) (wire.Spools, error) {
	daemon, err := c.daemon(ctx)
	if err != nil {
		return wire.Spools{}, err
	}
	defer daemon.Close()

	all, err := daemon.Standing(ctx)
	if c.spool != "" {
		all.Spools = slices.DeleteFunc(all.Spools, func(s wire.Spool) bool { return s.Name != daemon.spool.Name })
	}

	return all, err
}

// still shows what can be told without the daemon, and returns why it is not
// reached. If nothing can be told it is enough to say so.
func (c *status) still(why error) error {
	if !absent(why) {
		return why
	}

	found, err := c.places.find()
	if err != nil {
		return why
	}

	s := standing{Problems: []problem{{What: "unreachable", Text: why.Error()}}, Spools: []wire.Spool{}}

	for _, p := range found {
		s.Still = append(s.Still, stillOf(p))
	}

	if c.output == "json" {
		err = c.printJSON(s)
	} else {
		screen{newPainter(c.stdout), time.Now()}.printStill(s.Still)
	}

	if err != nil {
		return err
	}

	return &fault{code: codeUnavailable, err: why, hint: hintFor(why)}
}

// problem is something because of which not all is well.
type problem struct {
	Spool string `json:"spool,omitempty"` // none: it is about the daemon
	What  string `json:"what"`            // degraded, broken, disk, held, failed, reload or unreachable
	Text  string `json:"text"`
}

// problemsOf returns what is not well. Failures older than within are not counted.
func problemsOf(all wire.Spools, now time.Time, within time.Duration) []problem {
	found := []problem{}
	if why := all.Daemon.ReloadError; why != "" {
		found = append(found, problem{"", "reload", why})
	}

	for _, s := range all.Spools {
		for _, one := range []struct{ what, text string }{
			{"degraded", s.Degraded},
			{"broken", s.Broken},
			{"disk", s.Disk},
			{"held", heldText(s)},
			{"failed", failedText(s, now, within)},
		} {
			if one.text != "" {
				found = append(found, problem{s.Name, one.what, one.text})
			}
		}
	}

	return found
}

// heldText says how many files are held; empty: none.
func heldText(s wire.Spool) string {
	if s.Held == 0 {
		return ""
	}

	text := fmt.Sprintf("%s held", plural(s.Held, "file"))

	for _, r := range s.Reasons {
		if r.Standing == job.Held {
			return text + ": " + r.Text
		}
	}

	return text
}

// failedText says when a job failed, if that was not long ago.
func failedText(s wire.Spool, now time.Time, within time.Duration) string {
	if s.LastErrorAt.IsZero() || now.Sub(s.LastErrorAt) > within || within == 0 {
		return ""
	}

	return fmt.Sprintf("a job failed %s ago: %s", since(s.LastErrorAt, now), s.LastError)
}
