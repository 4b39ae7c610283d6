package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what is known of how this program was made.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the commit was not all of it
	Time     string `json:"time,omitempty"`     // of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (p *program) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  importerd version\n  importerd version --output json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := fromEnvironment(cmd); err != nil {
				return err
			}

			b := thisBuild()
			if p.output == "json" {
				return p.printJSON(b)
			}

			fmt.Fprintln(p.stdout, b)

			return nil
		},
	}

	p.outputFlag(cmd)

	return cmd
}

// versionOption makes --version do what the command does, as with other programs.
func (p *program) versionOption(root *cobra.Command) {
	wanted := root.Flags().Bool("version", false, "print the version")
	otherwise := root.RunE

	root.RunE = func(cmd *cobra.Command, args []string) error {
		if !*wanted {
			return otherwise(cmd, args)
		}

		fmt.Fprintln(p.stdout, thisBuild())

		return nil
	}
}

// thisBuild reads what the linker left in the program.
func thisBuild() build {
	b := build{Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}

	info, ok := debug.ReadBuildInfo()
	if !ok {
		b.Version = "unknown"

		return b
	}

	b.Version = cmp.Or(info.Main.Version, "(devel)")

	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}

	return b
}

// String returns one line for people.
func (b build) String() string {
	line := "importerd " + b.Version
	if b.Commit != "" {
		line += " commit " + b.Commit[:min(12, len(b.Commit))]
	}

	if b.Modified {
		line += " with changes"
	}

	return line + " " + b.Go + " " + b.Platform
}

// noArguments refuses arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}

	return usage(cmd.CommandPath()+" --help shows what it takes", "%s takes no arguments, but there is %q",
		cmd.Name(), args[0])
}
