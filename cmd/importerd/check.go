package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"importerd/internal/config"
)

// verdict is what check says of one spool.
type verdict struct {
	Name     string   `json:"name"`
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings,omitempty"` // what works and should be otherwise
}

// mistake is one thing that is wrong with the file, for machines.
type mistake struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Text   string `json:"text"`
}

func (p *program) checkCommand() *cobra.Command {
	path := defaultConfig
	inside := false

	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and the directories",
		Long: `Check reads the configuration file and looks at the directories and programs that it
names. It runs nothing and changes nothing. What it says of permissions is true for
the user that runs it: run it as the user of the daemon. Exit code 78 says that
something is wrong; a warning alone is no such thing.

With --sandbox it says instead which restrictions of the unit importerd.service hold for
this very process, and what each costs a command. It changes nothing either. To run it
as the unit's daemon is run see docs/systemd.md. Exit code 1 says that one does not hold.`,
		Example: "  importerd check\n  sudo -u importerd importerd check --config new.toml\n  importerd check --sandbox",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := fromEnvironment(cmd, "config", "output"); err != nil {
				return err
			}

			if inside {
				return p.checkSandbox(path)
			}

			return p.check(path)
		},
	}

	cmd.Flags().SortFlags = false
	cmd.Flags().StringVarP(&path, "config", "c", path, "configuration `FILE`")
	cmd.Flags().BoolVar(&inside, "sandbox", false, "say which restrictions of the unit hold in here")
	p.outputFlag(cmd)

	return cmd
}

// check prints what it finds.
func (p *program) check(path string) error {
	cfg, err := loadConfig(path)
	if err != nil {
		if p.output == "json" {
			return errors.Join(p.printJSON(map[string]any{"ok": false, "mistakes": mistakes(path, err)}), err)
		}

		return err
	}

	verdicts := make([]verdict, len(cfg.Spools))
	bad := 0

	for i, s := range cfg.Spools {
		problems := examine(s)
		verdicts[i] = verdict{Name: s.Name, OK: len(problems) == 0, Problems: problems}
		bad += len(problems)

		if advice := adviseShell(s.Command); advice != "" {
			verdicts[i].Warnings = []string{advice}
		}
	}

	if err := p.printVerdicts(verdicts, bad == 0); err != nil {
		return err
	}

	if bad > 0 {
		return &fault{code: codeConfig, err: errTold}
	}

	return nil
}

// printVerdicts prints a line for each spool, and one for each problem and warning.
func (p *program) printVerdicts(all []verdict, ok bool) error {
	if p.output == "json" {
		return p.printJSON(map[string]any{"ok": ok, "spools": all})
	}

	for _, v := range all {
		if v.OK {
			fmt.Fprintf(p.stdout, "%s: ok\n", v.Name)
		}

		for _, problem := range v.Problems {
			fmt.Fprintf(p.stdout, "%s: %s\n", v.Name, problem)
		}

		for _, warning := range v.Warnings {
			fmt.Fprintf(p.stdout, "%s: warning: %s\n", v.Name, warning)
		}
	}

	return nil
}

// mistakes lists what err joins.
func mistakes(path string, err error) []mistake {
	var all []mistake

	for line := range strings.Lines(err.Error()) {
		all = append(all, mistake{File: path, Text: strings.TrimSuffix(line, "\n")})
	}

	joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	if !ok {
		return all
	}

	all = all[:0]

	for _, err := range joined.Unwrap() {
		if m, ok := errors.AsType[*config.Mistake](err); ok {
			all = append(all, mistake{m.File, m.Line, m.Column, m.Err.Error()})
		}
	}

	return all
}
