package main

import (
	"bytes"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"importerd/internal/systemd"
)

// stamp is how times are written in the log: RFC 3339 with milliseconds.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// logOptions say how the log is written.
type logOptions struct{ format, level string }

// flags adds the options.
func (o *logOptions) flags(cmd *cobra.Command) {
	o.format, o.level = "auto", "info"
	cmd.Flags().Var(&word{&o.format, []string{"auto", "json", "console"}}, "log-format",
		"auto is console on a terminal, fields for systemd's journal, json otherwise")
	cmd.Flags().Var(&word{&o.level, []string{"debug", "info", "warn", "error"}}, "log-level",
		"what is less important is not logged")
}

// sink returns what takes the lines of the log: standard error, or the journal of
// systemd if standard error leads there.
func (p *program) sink() io.Writer {
	if p.native {
		return systemd.NewJournal(systemd.JournalSocket, p.stderr)
	}

	return p.stderr
}

// logger returns what the options say, writing to out, which leads to standard
// error, and what takes several of its lines at a time. It writes no times where the
// journal does.
func (p *program) logger(o logOptions, out io.Writer) (zerolog.Logger, io.Writer) {
	level, err := zerolog.ParseLevel(o.level)
	if err != nil {
		panic("bug: " + err.Error())
	}

	zerolog.ErrorFieldName = "err" // as all our fields are called
	zerolog.TimeFieldFormat = stamp
	zerolog.DurationFieldUnit = time.Second

	stamped := !p.supervisor.Journal(p.stderr)

	if o.format == "console" || o.format == "auto" && term.IsTerminal(int(p.stderr.Fd())) {
		out = eachLine{consoleWriter(p.stderr, out, stamped)}
	}

	log := zerolog.New(out)

	if stamped {
		log = log.With().Timestamp().Logger()
	}

	return log.Level(level), out
}

// eachLine gives lines to a writer that takes one at a time.
type eachLine struct{ to io.Writer }

// Write writes whole lines.
func (e eachLine) Write(lines []byte) (int, error) {
	for line := range bytes.Lines(lines) {
		if _, err := e.to.Write(line); err != nil {
			return 0, err
		}
	}

	return len(lines), nil
}

// consoleWriter writes for people, in colour on a terminal; the library heeds
// NO_COLOR.
func consoleWriter(file *os.File, out io.Writer, stamped bool) zerolog.ConsoleWriter {
	w := zerolog.ConsoleWriter{
		Out:         out,
		NoColor:     !term.IsTerminal(int(file.Fd())),
		TimeFormat:  time.TimeOnly,
		FieldsOrder: []string{"spool", "file", "attempt", "took"},
		// The message says it, or the error.
		FieldsExclude: []string{"state", "verdict", "exit", "signal"},
	}

	if !stamped {
		w.PartsExclude = []string{zerolog.TimestampFieldName}
	}

	return w
}
