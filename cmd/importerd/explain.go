package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"importerd/internal/job"
)

const aboutExplain = `Explain says where a file is and why: in which spool, what keeps it in the inbox and who
has it open for writing, when and by which job it was handled and how that ended, or what it
waits for. PATH is any path of it, where it is or where it was dropped, or only its name: that
is looked for in all spools. It also works while no daemon runs, from what lies in the
folders and the journal.

Exit code 1 says that nothing was ever seen of it.`

// explain is one call of the command of this name.
type explain struct {
	*program
	asking
}

func (p *program) explainCommand() *cobra.Command {
	c := &explain{program: p}

	cmd := &cobra.Command{
		Use:   "explain PATH...",
		Short: "Say where a file is and why",
		Long:  aboutExplain,
		Example: `  importerd explain orders.csv
  importerd explain /srv/importerd/orders/inbox/orders.csv
  importerd explain orders.csv --spool orders --output json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("importerd explain PATH", "which file?")
			}

			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, apiVariables("spool")...); err != nil {
				return err
			}

			return c.run(cmd.Context(), args)
		},
	}

	c.flags(cmd)
	p.outputFlag(cmd)

	return cmd
}

// run explains all that was asked for.
func (c *explain) run(ctx context.Context, args []string) error {
	all := []account{}
	unseen := 0

	for _, arg := range args {
		some, err := c.accounts(ctx, arg)
		if err != nil {
			return err
		}

		if !some[0].Found {
			unseen++
		}

		all = append(all, some...)
	}

	var err error
	if c.output == "json" {
		err = c.printJSON(map[string]any{"files": all})
	} else {
		c.print(all)
	}

	if err == nil && unseen > 0 {
		err = &fault{code: codeNotSo, err: errTold}
	}

	return err
}

// accounts returns what is known of what an argument names, one for each spool that
// knows it; one that says so if none does.
func (c *explain) accounts(ctx context.Context, arg string) ([]account, error) {
	targets, err := c.targets(ctx, arg)
	if err != nil {
		return nil, err
	}

	var (
		all  []account
		errs []error
	)

	nowhere := account{Path: job.Show(arg)}

	for _, t := range targets {
		a, err := t.account(ctx, arg)
		if err != nil {
			errs = append(errs, err)
		}

		if a.Found {
			all = append(all, a)
		}

		nowhere.Spools = append(nowhere.Spools, job.Show(t.place.name))
		nowhere.Unasked = a.Unasked
	}

	switch {
	case len(all) > 0:
		return all, nil
	case len(errs) > 0: // it may be known there
		return nil, gravest(errs)
	}

	nowhere.Elsewhere = elsewhere(arg)

	return []account{nowhere}, nil
}

// print prints all accounts, for people.
func (c *explain) print(all []account) {
	for i, a := range all {
		if i > 0 {
			fmt.Fprintln(c.stdout)
		}

		if a.Found {
			sheet{c.stdout, a}.print()
		} else {
			a.printUnseen(c.stdout)
		}
	}
}

// errUnread says that a journal could not be read.
var errUnread = errors.New("the journal cannot be read")
