package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"importerd/internal/app"
	"importerd/internal/config"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// fsck is one call of the command of this name.
type fsck struct {
	*program
	places
	inbox string
	fix   bool
}

// finding is what is not as it should be, for machines.
type finding struct {
	Path    string `json:"path"` // below the spool's directory
	PathB64 string `json:"path_b64,omitempty"`
	Job     string `json:"job,omitempty"`
	Found   string `json:"found"`
	Action  string `json:"action,omitempty"` // what is done about it; none: a person must look
}

func (p *program) fsckCommand() *cobra.Command {
	c := &fsck{program: p}

	cmd := &cobra.Command{
		Use:   "fsck SPOOL",
		Short: "Check a spool that no daemon has",
		Long: `Fsck looks at a spool as the daemon does when it starts, and prints a line for each
thing that it would put in order. It changes nothing, unless --fix is given: then it
does what it prints. It never runs a handler, but with --fix it ends handlers that
have outlived their daemon. The daemon does all this by itself at its next start.
SPOOL is the spool's directory, or its name in the configuration file.

Exit code 0 says that nothing was found, or all of it put in order; 1 that something
was found and is left; 75 that a daemon has the spool.`,
		Example: "  importerd fsck orders\n  importerd fsck /srv/importerd/orders --fix",
		Args:    whichSpool,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, "config", "output"); err != nil {
				return err
			}

			return c.run(cmd.Context(), args[0])
		},
		ValidArgsFunction: c.completeSpool,
	}

	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&c.fix, "fix", false, "put in order what is found")
	cmd.Flags().StringVar(&c.inbox, "inbox", "", "another path for the inbox, of a spool that is not in the configuration")
	c.configFlag(cmd)
	p.outputFlag(cmd)

	return cmd
}

// whichSpool refuses another number of arguments than one.
func whichSpool(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usage("importerd fsck SPOOL", "which spool?")
	case 1:
		return nil
	}

	return usage("importerd fsck "+args[0], "one spool at a time: %q is one too many", args[1])
}

// run checks the spool, prints what is found as it comes, and ends with 1 if
// something is left.
func (c *fsck) run(ctx context.Context, name string) error {
	cfg, err := c.settings(name)
	if err != nil {
		return err
	}

	all, left := []finding{}, 0
	report := func(f app.Finding) {
		if !c.fix || f.Does == "" {
			left++
		}

		all = append(all, findingOf(f))

		if c.output != "json" {
			fmt.Fprintln(c.stdout, findingLine(f))
		}
	}

	if c.fix {
		err = app.Mend(ctx, cfg, report)
	} else {
		err = app.Check(ctx, cfg, report)
	}

	if c.output == "json" {
		err = errors.Join(err, c.printJSON(map[string]any{"spool": cfg.Name, "fixed": c.fix && err == nil, "findings": all}))
	}

	if err == nil && left > 0 {
		err = &fault{code: codeNotSo, err: errTold}
	}

	return err
}

// settings returns the spool as the configuration has it, or one with defaults.
func (c *fsck) settings(name string) (config.Spool, error) {
	c.spool = name

	all, err := c.find()
	if err != nil {
		return config.Spool{}, err
	}

	p := all[0]
	if err := p.check(); err != nil {
		return config.Spool{}, err
	}

	if p.rules != nil {
		return *p.rules, nil
	}

	s := config.Default()
	s.Name, s.Dir, s.Inbox = p.name, p.dir, c.inbox
	s.Results = true // if there are none to publish nothing is done

	return s, nil
}

// findingOf returns a finding for machines.
func findingOf(f app.Finding) finding {
	found := finding{Found: f.Found, Action: f.Does}
	found.Path, found.PathB64 = wire.Forms(f.Place)

	if !f.Job.IsZero() {
		found.Job = f.Job.String()
	}

	return found
}

// findingLine returns a finding for people.
func findingLine(f app.Finding) string {
	line := job.Show(f.Place)

	if !f.Job.IsZero() {
		line += " (job " + shortID(f.Job) + ")"
	}

	line += ": " + job.Show(f.Found)

	if f.Does != "" {
		line += ": " + f.Does
	}

	return line
}
