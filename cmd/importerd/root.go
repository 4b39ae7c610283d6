package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"importerd/internal/job"
)

const about = `importerd makes a directory a dependable job queue: drop a file into its inbox/,
and a command of yours is run on it, from start to finish, whatever happens.

Try it:

  mkdir orders
  importerd run --spool orders -- wc -l

and, in another terminal:

  importerd put ./orders some-file.csv

Then look into done/, failed/ and errors/ below orders/.`

// root returns the whole command line.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "importerd",
		Short:         "A directory becomes a dependable job queue",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          p.noCommand,
		RunE: func(*cobra.Command, []string) error {
			return usage("importerd help shows all commands", "which command?")
		},
		CompletionOptions: cobra.CompletionOptions{DisableDescriptions: true},
	}

	p.versionOption(root)

	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(p.runCommand(), p.checkCommand(), p.putCommand(), p.startCommand(),
		p.steerCommand(job.Pause), p.steerCommand(job.Resume), p.steerCommand(job.Terminate), p.steerCommand(job.Retry),
		p.statusCommand(), p.monitorCommand(), p.explainCommand(), p.jobsCommand(), p.showCommand(), p.logCommand(),
		p.reloadCommand(), p.fsckCommand(), p.versionCommand())
	root.SetHelpCommand(helpCommand(root))
	completeChoices(root)

	return root
}

// noCommand says which command the unknown one was meant to be.
func (p *program) noCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}

	return usage(didYouMean("importerd ", root.SuggestionsFor(args[0]), "importerd help shows all commands"),
		"unknown command %q", args[0])
}

// helpCommand shows the help of a command, as --help does. The one that cobra
// brings ends well for commands that do not exist.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage("importerd help shows all commands", "no help for %q: no such command",
					strings.Join(args, " "))
			}

			cmd.InitDefaultHelpFlag()

			return cmd.Help()
		},
	}
}

// flagError says which option an unknown one was meant to be.
func flagError(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help shows all options"

	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return usage(didYouMean("--", similarOptions(cmd, unknown.GetSpecifiedName()), hint),
			"unknown option %s", strings.TrimPrefix(strings.TrimPrefix(err.Error(), "unknown flag: "),
				"unknown shorthand flag: "))
	}

	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usage("", "--%s: %w", wrong.GetFlag().Name, wrong.Unwrap())
	}

	return usage(hint, "%w", err)
}

// similarOptions returns the options that an unknown one is nearest to. The
// library's own suggestions are for commands; so the options become some.
func similarOptions(cmd *cobra.Command, unknown string) []string {
	var options cobra.Command

	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		options.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})

	for options.SuggestionsMinimumDistance = 1; options.SuggestionsMinimumDistance <= 2; {
		if found := options.SuggestionsFor(unknown); len(unknown) > 1 && len(found) > 0 {
			return found
		}

		options.SuggestionsMinimumDistance++
	}

	return nil
}

// didYouMean makes a hint of suggestions, or returns the other one.
func didYouMean(prefix string, suggestions []string, other string) string {
	if len(suggestions) == 0 {
		return other
	}

	return "did you mean " + prefix + strings.Join(suggestions, " or "+prefix) + "?"
}

// outputFlag adds --output, whose value is in p.output afterwards.
func (p *program) outputFlag(cmd *cobra.Command) {
	p.output = "text"
	cmd.Flags().Var(&word{p: &p.output, of: []string{"text", "json"}}, "output", "how to print")
}

// printJSON prints v for machines.
func (p *program) printJSON(v any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)

	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}

	return nil
}
