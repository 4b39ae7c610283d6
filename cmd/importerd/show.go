package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"importerd/internal/config"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

func (p *program) showCommand() *cobra.Command {
	var at places

	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of a job",
		Long: `Show prints what the journal knows of one job, also while no daemon runs. ID is the
job's id, or at least 6 characters of its begin or end. Exit code 1 says that there
is no such job, or that the id may mean several.`,
		Example: `  importerd show 25c58cf240c5
  importerd show 01a202e2-0882-7c05-a240-25c58cf240c5 --spool /srv/importerd/orders --output json`,
		Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := fromEnvironment(cmd, "config", "spool", "output"); err != nil {
				return err
			}

			f, err := at.findJob(args[0])
			if err != nil {
				return err
			}

			if p.output == "json" {
				return p.printJSON(wire.JobOf(f.rec).WithOutput(f.rec.Exit))
			}

			card{p.stdout, f}.print()

			return nil
		},
		ValidArgsFunction: at.completeID,
	}

	at.flags(cmd)
	p.outputFlag(cmd)

	return cmd
}

// card is one job for people.
type card struct {
	out io.Writer
	found
}

// line prints one thing that is known.
func (c card) line(what, format string, args ...any) {
	fmt.Fprintf(c.out, "%-12s %s\n", what, fmt.Sprintf(format, args...))
}

// print prints all that is known and worth a line.
func (c card) print() {
	rec := &c.rec
	c.line("job", "%s", rec.ID)
	c.line("name", "%s", job.Show(rec.Name))
	c.line("spool", "%s", job.Show(rec.Spool))
	c.line("state", "%s", rec.Shown())

	if text := why(rec); text != "" {
		c.line("why", "%s", text)
	}

	c.line("file", "%s", c.file())
	c.line("size", "%d bytes", rec.Size)

	if rec.Changed {
		c.line("changed", "by the handler")
	}

	c.line("attempt", "%d", rec.Attempt)

	if rec.Interruptions > 0 {
		c.line("interrupted", "%d times, %d of them by the death of the daemon", rec.Interruptions, rec.Crashes)
	}

	c.times()
	c.ending()
}

// file says where the job's file lies.
func (c card) file() string {
	rec := &c.rec
	path := func(folder job.Folder, name string) string {
		return job.Show(filepath.Join(c.dir, string(folder), name))
	}

	switch {
	case rec.Moving != nil:
		from := path(rec.Moving.From, rec.Moving.File)
		if rec.Moving.From == job.InboxFolder && c.rules != nil {
			from = job.Show(filepath.Join(c.rules.InboxDir(), rec.Moving.File))
		}

		return from + ", or already in " + path(rec.Moving.To, "")
	case rec.File == "":
		return "there is none any more"
	}

	return path(rec.State.Folder(), rec.File)
}

// times prints when what happened.
func (c card) times() {
	for _, at := range []struct {
		what string
		time time.Time
	}{
		{"created", c.rec.CreatedAt},
		{"started", c.rec.StartedAt},
		{"finished", c.rec.FinishedAt},
		{"due", dueAt(&c.rec)},
	} {
		if !at.time.IsZero() {
			c.line(at.what, "%s", at.time.Local().Format("2006-01-02 15:04:05.000 MST"))
		}
	}
}

// ending prints how the last attempt ended, and what it left.
func (c card) ending() {
	rec := &c.rec

	if exit := rec.Exit; exit != nil {
		c.line("exit", "%s", exitText(exit))

		if text := usedText(exit); text != "" {
			c.line("used", "%s", text)
		}
	}

	if rec.Results != "" {
		c.line("results", "%s", job.Show(filepath.Join(c.dir, string(job.ResultsFolder), rec.Results)))
	}

	if rec.Checkpoint != "" {
		c.line("checkpoint", "%s", job.Show(rec.Checkpoint))
	}

	if rec.Exit == nil || len(rec.Exit.Tail) == 0 {
		return
	}

	c.line("log", "%s", job.Show(c.own("logs", rec.ID.String()+".log")))
	fmt.Fprintln(c.out, "\nThe last it said:")

	for line := range strings.Lines(string(rec.Exit.Tail)) {
		fmt.Fprintln(c.out, "  "+job.Show(strings.TrimRight(line, "\r\n")))
	}
}

// exitText says how an attempt ended.
func exitText(exit *job.Exit) string {
	var text string

	switch {
	case exit.Signal != "":
		text = exit.Signal
	case exit.Code >= 0:
		text = fmt.Sprintf("code %d", exit.Code)
	case exit.Err != nil:
		text = job.Show(exit.Err.Error())
	default:
		text = "not known"
	}

	text += " after " + exit.Took.Round(time.Millisecond).String()

	if exit.RetryAfter > 0 {
		text += ", asked to be tried again after " + config.FormatDuration(exit.RetryAfter)
	}

	return text
}

// usedText says how much an attempt had; empty: nobody knows.
func usedText(exit *job.Exit) string {
	var all []string

	if exit.CPU > 0 {
		all = append(all, exit.CPU.Round(time.Millisecond).String()+" of a processor")
	}

	if exit.MaxMemory > 0 {
		all = append(all, size(exit.MaxMemory)+" of memory at most")
	}

	return strings.Join(all, ", ")
}

// dueAt is when a job goes on; zero: it does not wait.
func dueAt(rec *job.Record) time.Time {
	if rec.State != job.Deferred {
		return time.Time{}
	}

	return rec.DueAt
}
