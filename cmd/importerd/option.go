package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// defaultConfig is the configuration file that is read if none is named.
const defaultConfig = "/etc/importerd/importerd.toml"

// word is an option with a few possible values.
type word struct {
	p  *string
	of []string
}

// String returns the present value.
func (w *word) String() string { return *w.p }

// Type returns what is possible, for the help.
func (w *word) Type() string { return strings.Join(w.of, "|") }

// Set takes one of the possible values.
func (w *word) Set(text string) error {
	if !slices.Contains(w.of, text) {
		return fmt.Errorf("%q is not possible: write one of %s", text, strings.Join(w.of, ", "))
	}

	*w.p = text

	return nil
}

// pathOption is an option for a path: it may be relative, and the value behind it gets
// an absolute one.
type pathOption struct{ pflag.Value }

// Set makes text absolute.
func (o pathOption) Set(text string) error {
	if text == "" {
		return fmt.Errorf("the path is empty: write one")
	}

	path, err := filepath.Abs(text)
	if err != nil {
		return fmt.Errorf("%q cannot be made absolute: %w", text, err)
	}

	return o.Value.Set(path) //nolint:wrapcheck // says what is wrong with the path
}

// variable returns the name of the environment variable for an option.
func variable(option string) string {
	return "IMPORTERD_" + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

// unknownVariables returns the variables that look like an option's and belong
// to none: a slip of the hand. IMPORTERD_JOB_... are a handler's that runs us.
func unknownVariables(flags *pflag.FlagSet, environ []string) []string {
	known := map[string]bool{variable("output"): true} // of other commands

	flags.VisitAll(func(f *pflag.Flag) { known[variable(f.Name)] = true })

	var unknown []string

	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, variable("")) && !strings.HasPrefix(name, variable("job-")) &&
			!known[name] && value != "" {
			unknown = append(unknown, name)
		}
	}

	return unknown
}

// fromEnvironment sets the options named, all but help if none is, from their
// variables where the command line does not. An empty variable counts as not
// set. One that may be repeated takes a value from each line of its variable.
// Returned are the options that were set.
func fromEnvironment(cmd *cobra.Command, only ...string) (map[string]bool, error) {
	var wrong error

	set := map[string]bool{}

	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		skip := f.Name == "help" || len(only) > 0 && !slices.Contains(only, f.Name)

		text := os.Getenv(variable(f.Name))
		if skip || f.Changed || text == "" || wrong != nil {
			return
		}

		values := []string{text}
		if f.Value.Type() == "GLOB" {
			values = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		}

		for _, value := range values {
			if err := f.Value.Set(value); err != nil {
				wrong = usage("", "%s: %w", variable(f.Name), err)

				return
			}
		}

		set[f.Name] = true
	})

	return set, wrong
}
