package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"importerd/internal/config"
	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

const aboutSelection = `
ID is a job's id, or at least 6 characters of its begin or end. With --spool, --all stands
for all its jobs, --since for those of the last D, --match for those with such names; those
whose state does not allow it are passed over. A line is printed for each job that was
steered; exit code 1 says that one could not be, and why.`

// steerings are the commands that carry out a verb on jobs.
//
//nolint:gochecknoglobals // a table that nobody writes to
var steerings = map[job.Verb]struct{ short, long, example string }{
	job.Pause: {
		"Freeze jobs, or stop taking files",
		`Pause freezes jobs where they are, with all their processes, until they are resumed, also
across restarts. A job that waits is not started. With --spool alone the spool is paused:
it takes no more files and starts nothing more; what runs goes on.
`,
		`  importerd pause 25c58cf240c5
  importerd pause --spool orders
  importerd pause --spool orders --all`,
	},
	job.Resume: {
		"Let what was paused go on",
		`Resume lets paused jobs go on; with --spool alone a paused spool.
`,
		`  importerd resume 25c58cf240c5
  importerd resume --spool orders`,
	},
	job.Terminate: {
		"End jobs for good",
		`Terminate ends jobs for good: what runs gets SIGTERM, and SIGKILL if it does not end; files
go to failed/. A job that is done is not touched. Retry brings terminated ones back.
`,
		`  importerd terminate 25c58cf240c5
  importerd terminate --spool orders --match 'test-*'`,
	},
	job.Retry: {
		"Bring failed or terminated jobs back",
		`Retry brings failed and terminated jobs back, with all their attempts. It needs the file in
failed/.
`,
		`  importerd retry 25c58cf240c5
  importerd retry --spool orders --since 2h --match '*.csv'`,
	},
}

// steer is one call of one of these commands.
type steer struct {
	*program
	asking
	verb  job.Verb
	all   bool
	since string
	match string
	done  wire.BulkAnswer
}

func (p *program) steerCommand(verb job.Verb) *cobra.Command {
	c := &steer{program: p, verb: verb, done: wire.BulkAnswer{Jobs: []wire.Job{}, Refused: []wire.Error{}}}

	cmd := &cobra.Command{
		Use:                   string(verb) + " ID... | --spool SPOOL [--all | --since D | --match GLOB]",
		Short:                 steerings[verb].short,
		Long:                  steerings[verb].long + aboutSelection,
		Example:               steerings[verb].example,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, apiVariables("spool")...); err != nil {
				return err
			}

			// A variable says where to look, but nobody pauses a spool by leaving something out.
			if len(args) == 0 && !c.selects() && !cmd.Flags().Changed("spool") {
				c.spool = ""
			}

			return c.run(cmd.Context(), args)
		},
		ValidArgsFunction: c.completeIDs,
	}

	c.flags(cmd)
	cmd.Flags().BoolVar(&c.all, "all", false, "all jobs of the spool")
	cmd.Flags().StringVar(&c.since, "since", "",
		"jobs of the spool that ended, or have not ended and came, within the last `D`")
	cmd.Flags().StringVar(&c.match, "match", "", "jobs of the spool whose names match `GLOB`")
	p.outputFlag(cmd)

	return cmd
}

// selects says whether jobs are chosen otherwise than by their ids.
func (c *steer) selects() bool { return c.all || c.since != "" || c.match != "" }

// check refuses what cannot be meant, and brings since into the API's form.
func (c *steer) check(args []string) error {
	hint := fmt.Sprintf("importerd %s ID..., or --spool SPOOL --all", c.verb)

	needs := c.verb == job.Terminate || c.verb == job.Retry // a choice: they do nothing to a spool

	switch none := len(args) == 0; {
	case !none && c.selects():
		return usage(hint, "ids, or jobs that --all, --since or --match choose: not both")
	case none && c.spool == "":
		return usage(hint, "which jobs?")
	case none && needs && !c.selects():
		return usage(hint, "which jobs of %q?", c.spool)
	}

	for _, arg := range args {
		if err := checkID(arg); err != nil {
			return err
		}
	}

	return c.checkSelection()
}

// checkSelection refuses options that choose no jobs.
func (c *steer) checkSelection() error {
	switch {
	case c.all && (c.since != "" || c.match != ""):
		return usage("leave it out", "--all leaves nothing for --since or --match to choose")
	case c.match != "":
		if err := config.CheckPattern(c.match); err != nil {
			return usage("write it as *.csv, or {a,b}*.csv", "--match: %w", err)
		}
	}

	if c.since == "" {
		return nil
	}

	d, err := config.ParseDuration(c.since)
	if err != nil || d <= 0 {
		return usage("write a number and a unit, as 90s, 10m, 1h30m or 2d", "--since: %q is no duration", c.since)
	}

	c.since = d.String()

	return nil
}

// run carries out the verb.
func (c *steer) run(ctx context.Context, args []string) error {
	if err := c.check(args); err != nil {
		return err
	}

	daemon, err := c.daemon(ctx)
	if err != nil {
		return err
	}

	var errs []error

	switch {
	case len(args) > 0:
		errs = c.byID(ctx, daemon, args)
	case !c.selects():
		return c.spoolItself(ctx, daemon)
	case c.verb == job.Pause || c.verb == job.Resume:
		errs = c.oneByOne(ctx, daemon)
	default:
		errs = c.bulk(ctx, daemon)
	}

	if c.output == "json" {
		if err := c.printJSON(c.done); err != nil {
			return err
		}
	}

	return gravest(errs)
}

// spoolItself pauses or resumes the spool.
func (c *steer) spoolItself(ctx context.Context, daemon *remote) error {
	name, now, do := daemon.spool.Name, "paused", daemon.PauseSpool
	if c.verb == job.Resume {
		now, do = "resumed", daemon.ResumeSpool
	}

	switch err := do(ctx, name); {
	case err != nil:
		return fmt.Errorf("%s spool %s: %w", c.verb, name, err)
	case c.output == "json":
		return c.printJSON(map[string]any{"spool": name, "paused": c.verb == job.Pause})
	}

	fmt.Fprintf(c.stdout, "spool %s: %s\n", name, now)

	return nil
}

// byID steers the jobs that were named, also after one that could not be.
func (c *steer) byID(ctx context.Context, daemon *remote, args []string) []error {
	var errs []error

	for _, arg := range args {
		id, err := c.resolve(ctx, daemon, strings.ToLower(arg))
		if err == nil {
			var j wire.Job
			if j, err = daemon.Steer(ctx, id, c.verb); err == nil {
				c.tellDone(j)

				continue
			}

			c.done.Refused = append(c.done.Refused, refusalOf(id, err))
		}

		errs = append(errs, err)
	}

	return errs
}

// oneByOne steers the chosen jobs that are in a state that allows it. One that has
// left that state meanwhile is none of them.
func (c *steer) oneByOne(ctx context.Context, daemon *remote) []error {
	states := []job.State{job.Paused}
	if c.verb == job.Pause {
		states = []job.State{job.Deferred, job.Processing}
	}

	var errs []error

	for _, state := range states {
		q := client.Query{
			Spool: daemon.spool.Name, State: state, Match: c.match, Since: c.since, Limit: pageSize,
		}

		for j, err := range daemon.AllJobs(ctx, q) {
			if err != nil {
				return append(errs, err)
			}

			now, err := daemon.Steer(ctx, j.ID, c.verb)

			switch {
			case err == nil:
				c.tellDone(now)
			case !client.IsCode(err, wire.CodeConflict) && !client.IsCode(err, wire.CodeNotFound):
				c.done.Refused = append(c.done.Refused, refusalOf(j.ID, err))
				errs = append(errs, err)
			}
		}
	}

	return errs
}

// bulk has the daemon steer the chosen jobs.
func (c *steer) bulk(ctx context.Context, daemon *remote) []error {
	which := wire.Bulk{Spool: daemon.spool.Name, Since: c.since, Match: c.match}

	var errs []error

	for more := true; more; {
		answer, err := daemon.Bulk(ctx, c.verb, which)
		if err != nil {
			return append(errs, fmt.Errorf("%s jobs of %s: %w", c.verb, which.Spool, err))
		}

		for _, j := range answer.Jobs {
			c.tellDone(j)
		}

		for _, no := range answer.Refused {
			c.done.Refused = append(c.done.Refused, no)
			errs = append(errs, &client.Error{Code: no.Error.Code, Message: no.Error.Message})
		}

		more = answer.After != "" && answer.After != which.After
		which.After = answer.After
	}

	return errs
}

// tellDone prints a job that was steered, or keeps it for machines.
func (c *steer) tellDone(j wire.Job) {
	if c.output == "json" {
		c.done.Jobs = append(c.done.Jobs, j)

		return
	}

	state := string(j.State)
	if c.verb == job.Terminate && !j.State.Ended() {
		state += ", being ended"
	}

	fmt.Fprintf(c.stdout, "%s  %s  %s\n", j.ID, job.Show(wire.NameOf(j.Name, j.NameB64)), state)
}

// refusalOf returns for machines why a job was not steered.
func refusalOf(id job.ID, err error) wire.Error {
	no := wire.Error{Error: wire.Fault{Message: err.Error()}, ID: &id}

	if e, ok := err.(*client.Error); ok { //nolint:errorlint // as the client returns it
		no.Error.Code, no.State = e.Code, e.State
	}

	return no
}
