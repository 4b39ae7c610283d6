package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"importerd/internal/config"
	"importerd/internal/job"
	"importerd/internal/journal"
)

// maxOffered bounds how many jobs of a spool the shell is offered.
const maxOffered = 100

// mustComplete panics where an option is completed that there is not.
func mustComplete(err error) {
	if err != nil {
		panic("bug: " + err.Error())
	}
}

// completeChoices offers the values of all options that have but a few.
func completeChoices(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if choices := strings.Split(f.Value.Type(), "|"); len(choices) > 1 {
				mustComplete(cmd.RegisterFlagCompletionFunc(f.Name,
					cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp)))
			}
		})
	}
}

// completeSpool offers the names of the configuration; the shell adds
// directories.
func (o *places) completeSpool(cmd *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 && cmd.Flags().Lookup("spool") == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}

	if _, err := fromEnvironment(cmd, "config"); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}

	cfg, err := config.Load(o.config)
	if err != nil {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}

	var names []cobra.Completion

	for _, s := range cfg.Spools {
		if strings.HasPrefix(s.Name, begun) {
			names = append(names, cobra.CompletionWithDesc(s.Name, job.Show(s.Dir)))
		}
	}

	if len(names) == 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}

	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeSpoolAndFiles offers spools, and behind the spool files.
func (o *places) completeSpoolAndFiles(cmd *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}

	return o.completeSpool(cmd, args, begun)
}

// completeIDs is completeID for any number of ids.
func (o *places) completeIDs(cmd *cobra.Command, _ []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	return o.completeID(cmd, nil, begun)
}

// completeID offers the ids of the newest jobs, in the form that was begun.
func (o *places) completeID(cmd *cobra.Command, args []string, begun string,
) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}

	if _, err := fromEnvironment(cmd, "config", "spool"); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}

	sources, _ := o.openAll() // what cannot be opened is not offered
	defer closeAll(sources)

	var ids []cobra.Completion

	for _, s := range sources {
		list, _ := s.journal.List(journal.Query{Limit: maxOffered}) // likewise

		for _, e := range list {
			for _, form := range []string{shortID(e.ID), e.ID.String()} {
				if strings.HasPrefix(form, begun) {
					ids = append(ids, cobra.CompletionWithDesc(form, job.Show(e.Name)+" "+string(e.State)))

					break
				}
			}
		}
	}

	return ids, cobra.ShellCompDirectiveNoFileComp
}
