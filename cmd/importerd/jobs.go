package main

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/cobra"

	"importerd/internal/config"
	"importerd/internal/control/wire"
	"importerd/internal/job"
	"importerd/internal/journal"
)

// defaultJobs is how many jobs are listed if nothing else is said.
const defaultJobs = 100

// jobs is one call of the command of this name.
type jobs struct {
	*program
	places
	states []string
	name   string
	since  string
	limit  int
}

func (p *program) jobsCommand() *cobra.Command {
	c := &jobs{program: p}

	cmd := &cobra.Command{
		Use:   "jobs [SPOOL]",
		Short: "List jobs, the newest first",
		Long: `Jobs lists what the journals of the spools know, also while no daemon runs. SPOOL
is a spool's directory or its name in the configuration file; without it all
spools of the configuration are listed. ID is the end of the job's id; show and
log take it. WHEN is when the job ended, or last began, or is due. Exit code 1 says
that there is no such job.

Files that wait in an inbox are no jobs yet.`,
		Example: `  importerd jobs
  importerd jobs orders --state failed --since 1d
  importerd jobs /srv/importerd/orders --name '*.csv' --limit 0 --output json`,
		Args: oneSpoolAtMost,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, "config", "output"); err != nil {
				return err
			}

			return c.run(args)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string,
		) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}

			return c.completeSpool(cmd, args, begun)
		},
	}

	c.flags(cmd)
	cmd.Flags().Var(stateOption{&c.states}, "state", "only jobs of this state; may be repeated")
	cmd.Flags().StringVar(&c.name, "name", "", "only files whose names match `GLOB`")
	cmd.Flags().StringVar(&c.since, "since", "", "only jobs that ended, or have not ended and came, within the last `D`")
	cmd.Flags().IntVar(&c.limit, "limit", defaultJobs, "at most `N` jobs; 0: all")
	p.outputFlag(cmd)
	mustComplete(cmd.RegisterFlagCompletionFunc("state",
		cobra.FixedCompletions(allStates(), cobra.ShellCompDirectiveNoFileComp)))

	return cmd
}

// oneSpoolAtMost refuses a second argument, and an argument beside --spool.
func oneSpoolAtMost(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) > 1:
		return usage("leave SPOOL out for all of the configuration", "one spool at a time: %q is one too many", args[1])
	case len(args) == 1 && cmd.Flags().Changed("spool"):
		return usage("leave one of them out", "which spool: %q, or that of --spool?", args[0])
	}

	return nil
}

// allStates are those that a job may have.
func allStates() []string {
	return []string{
		string(job.Processing), string(job.Committing), string(job.Deferred), string(job.Paused),
		string(job.Done), string(job.Failed), string(job.Terminated),
	}
}

// stateOption gathers states.
type stateOption struct{ states *[]string }

// String returns nothing: there is no default.
func (o stateOption) String() string { return "" }

// Type returns what the help calls it.
func (o stateOption) Type() string { return "ST" }

// Set takes one more state.
func (o stateOption) Set(text string) error {
	var one string

	w := word{p: &one, of: allStates()}
	if err := w.Set(text); err != nil {
		return err
	}

	*o.states = append(*o.states, one)

	return nil
}

// run lists the jobs, also those of the spools that can be read where others
// cannot.
func (c *jobs) run(args []string) error {
	if len(args) > 0 {
		c.spool = args[0]
	}

	query, err := c.query(time.Now())
	if err != nil {
		return err
	}

	sources, trouble := c.openAll()
	defer closeAll(sources)

	if len(sources) == 0 && trouble != nil {
		return trouble
	}

	n, err := c.print(c.newest(sources, query))
	if err == nil && n == 0 && trouble == nil {
		err = &fault{code: codeNotSo, err: errTold}
	}

	return gravest(present(err, trouble))
}

// present returns those errors that are some.
func present(errs ...error) []error {
	var some []error

	for _, err := range errs {
		if err != nil {
			some = append(some, err)
		}
	}

	return some
}

// query returns what the options ask for.
func (c *jobs) query(now time.Time) (journal.Query, error) {
	var q journal.Query

	if c.limit < 0 {
		return q, usage("write 0 for all jobs", "--limit: %d is no number of jobs", c.limit)
	}

	if c.since != "" {
		d, err := config.ParseDuration(c.since)
		if err != nil {
			return q, usage("", "--since: %w", err)
		}

		q.Since = now.Add(-d.Abs())
	}

	if c.name == "" {
		return q, nil
	}

	if err := config.CheckPattern(c.name); err != nil {
		return q, usage("write it as for --match: *.csv, or {a,b}*.csv", "--name: %w", err)
	}

	q.Match = func(name string) bool { return doublestar.MatchUnvalidated(c.name, name) }

	return q, nil
}

// newest merges the jobs of all spools and states by age.
func (c *jobs) newest(sources []source, q journal.Query) iter.Seq2[job.Record, error] {
	states := c.states
	if len(states) == 0 {
		states = []string{""}
	}

	if q.Limit = c.limit; q.Limit > 0 {
		q.Limit++ // to see whether there are more
	}

	var all []iter.Seq2[journal.Entry, error]

	for _, s := range sources {
		for i, state := range states {
			if q.State = job.State(state); !slices.Contains(states[:i], state) {
				all = append(all, s.journal.All(q))
			}
		}
	}

	return merge(all)
}

// print prints what is listed, and returns how much.
func (c *jobs) print(list iter.Seq2[job.Record, error]) (int, error) {
	if c.output == "json" {
		return c.printAsJSON(list)
	}

	const together = 500

	var rows []job.Record

	n, t := 0, newTable(c.stdout, time.Now())

	for rec, err := range list {
		if err != nil {
			return n, err
		}

		if n++; c.limit > 0 && n > c.limit {
			break
		}

		if rows = append(rows, rec); len(rows) == together {
			t.print(rows)
			rows = rows[:0]
		}
	}

	switch {
	case n == 0:
		fmt.Fprintln(c.stderr, "no jobs")
	case len(rows) > 0:
		t.print(rows)
	}

	if c.limit > 0 && n > c.limit {
		fmt.Fprintf(c.stderr, "these are the newest %d: --limit 0 lists all\n", c.limit)
	}

	return n, nil
}

// printAsJSON prints one object that holds all jobs, a line each.
func (c *jobs) printAsJSON(list iter.Seq2[job.Record, error]) (int, error) {
	n := 0

	fmt.Fprint(c.stdout, `{"jobs":[`)

	var trouble error

	for rec, err := range list {
		if err != nil || c.limit > 0 && n == c.limit {
			trouble = err

			break
		}

		separator := "\n"
		if n++; n > 1 {
			separator = ","
		}

		fmt.Fprint(c.stdout, separator)

		if err := c.printJSON(wire.JobOf(rec)); err != nil {
			return n, err
		}
	}

	fmt.Fprintln(c.stdout, "]}")

	return n, errors.Join(trouble)
}
