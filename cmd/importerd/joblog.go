package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

func (p *program) logCommand() *cobra.Command {
	var at places

	cmd := &cobra.Command{
		Use:   "log ID",
		Short: "Print what the handler of a job said",
		Long: `Log prints the log of one job: the output of its handler, as it is, all attempts
below each other. ID is the job's id, or at least 6 characters of its begin or end.
Exit code 1 says that there is no such job, or that its log is gone.`,
		Example: "  importerd log 25c58cf240c5\n  importerd log 25c58cf240c5 --spool orders | tail -n 20",
		Args:    oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, "config", "spool"); err != nil {
				return err
			}

			f, err := at.findJob(args[0])
			if err != nil {
				return err
			}

			return p.printLog(f)
		},
		ValidArgsFunction: at.completeID,
	}

	at.flags(cmd)

	return cmd
}

// printLog copies the job's log. There is none before the handler has said
// something.
func (p *program) printLog(f found) error {
	path := f.own("logs", f.rec.ID.String()+".log")

	file, err := os.Open(path)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p.noLog(f)
	case err != nil:
		return fmt.Errorf("read the log: %w", err)
	}
	defer file.Close()

	if _, err := io.Copy(p.stdout, file); err != nil {
		return fmt.Errorf("print the log: %w", err)
	}

	return nil
}

// noLog says why there is none.
func (p *program) noLog(f found) error {
	rec := &f.rec

	switch {
	case rec.StartedAt.IsZero():
		fmt.Fprintf(p.stderr, "job %s has not been started yet\n", rec.ID)
	case rec.Exit != nil && len(rec.Exit.Tail) > 0:
		return &fault{
			code: codeNotSo, err: fmt.Errorf("the log of job %s is gone", rec.ID),
			hint: "importerd show " + rec.ID.String() + " has the last that it said",
		}
	default:
		fmt.Fprintf(p.stderr, "job %s has said nothing\n", rec.ID)
	}

	return nil
}
