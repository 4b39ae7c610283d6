package process

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"importerd/internal/job"

	"github.com/rs/zerolog"
)

// line begins a log line about a job.
func (p *Pool) line(e *zerolog.Event, rec *job.Record) *zerolog.Event {
	if !e.Enabled() {
		return e
	}

	e = e.Str("job", rec.ID.String()).Str("file", job.Show(rec.Name))
	if rec.Attempt > 0 {
		e = e.Int("attempt", rec.Attempt)
	}

	return e
}

// tell says what became of a job, now that it is true after a power cut.
func (p *Pool) tell(u *unit, log *zerolog.Logger) {
	rec := &u.rec

	switch {
	case rec.State.Folder() == job.FailedFolder:
		p.fail(u)
	case rec.Moving != nil && rec.Moving.From == job.FailedFolder: // a retry
		err := p.deps.Papers.RemoveNote(rec.Moving.File)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.line(p.deps.Log.Warn(), rec).Err(err).Msg("note not removed")
		}
	}

	level, message := headline(u)
	details(p.line(log.WithLevel(level), rec), u).Msg(message)

	if rec.State.Ended() {
		p.deps.Teller.Ended(*rec)
	} else {
		p.deps.Teller.Changed(*rec, nil)
	}
}

// details adds to the line about a unit's end what there is to say.
func details(e *zerolog.Event, u *unit) *zerolog.Event {
	rec := &u.rec
	e = outcome(e, u).Str("state", string(rec.State))

	switch rec.State {
	case job.Deferred:
		e = e.Time("due", rec.DueAt)
	case job.Paused:
		e = e.Bool("paused", true)
	case job.Processing, job.Committing, job.Done, job.Failed, job.Terminated:
	}

	if rec.Changed {
		e = e.Bool("changed", true)
	}

	if rec.Results != "" {
		e = e.Str("results", job.Show(rec.Results))
	}

	if rec.Error != "" {
		e = e.Str("err", rec.Error)
	}

	return e
}

// outcome adds how the attempt ended, if there was one.
func outcome(e *zerolog.Event, u *unit) *zerolog.Event {
	exit := u.rec.Exit
	if exit == nil || u.verdict == "" {
		return e
	}

	e = e.Str("took", exit.Took.Round(time.Microsecond).String()).Str("verdict", string(u.verdict))

	switch {
	case exit.Signal != "":
		e = e.Str("signal", exit.Signal)
	case exit.Code >= 0:
		e = e.Int("exit", exit.Code)
	}

	return e
}

// headline returns the level and the text of the line about a unit's end.
func headline(u *unit) (zerolog.Level, string) {
	switch {
	case u.rec.State == job.Failed:
		return zerolog.ErrorLevel, "job failed"
	case u.rec.State == job.Terminated:
		return zerolog.InfoLevel, "job terminated"
	case u.verdict == job.Interrupted:
		return zerolog.InfoLevel, "job interrupted"
	case u.rec.State != job.Done && u.verdict == "":
		return zerolog.DebugLevel, "job deferred"
	case u.rec.State != job.Done:
		return zerolog.WarnLevel, "job deferred"
	default:
		return zerolog.InfoLevel, "job done"
	}
}

// fail writes the note for people beside a job that has failed or was terminated.
func (p *Pool) fail(u *unit) {
	rec := &u.rec

	name := rec.File
	if name == "" { // another file of its name may lie there, with a note of its own
		name = job.WithID(rec.Name, rec.ID)
	}

	note := failedNote(rec, p.deps.Papers.LogPath(rec.ID))
	if err := p.deps.Papers.WriteNote(name, note); err != nil {
		p.line(p.deps.Log.Warn(), rec).Err(err).Msg("note not written")
	}

	if rec.State == job.Terminated { // the one who cares has done it
		return
	}

	// A job without a file has no move to keep open: it is told, but not again.
	u.note, u.notify = note, p.rules.Load().notify
	u.owed = u.notify != nil && rec.Moving != nil
}

// report has the operator told of those units that have failed. It comes after
// the journal knows where their files lie: what settleDebt notes must be the last.
func (p *Pool) report(units []*unit) {
	for _, u := range units {
		if u.note == nil {
			continue
		}

		rec := u.rec

		switch {
		case u.owed:
			p.debts.owe(rec.ID)
			p.notifier.add(notice{u.notify, rec, u.note, func() error { return p.settleDebt(rec) }})
		default:
			p.notifier.add(notice{u.notify, rec, u.note, nil})
		}
	}
}

// failedNote is the text of errors/NAME.txt.
func failedNote(rec *job.Record, log string) []byte {
	var b strings.Builder

	if rec.State == job.Terminated {
		fmt.Fprintf(&b, "%s was terminated\n\n", job.Show(rec.Name))
	} else {
		fmt.Fprintf(&b, "importerd gave up on %s\n\n", job.Show(rec.Name))
	}

	fmt.Fprintf(&b, "why:      %s\n", rec.Error)
	fmt.Fprintf(&b, "when:     %s\n", rec.FinishedAt.Format(time.RFC3339))
	fmt.Fprintf(&b, "spool:    %s\njob:      %s\n", rec.Spool, rec.ID)
	fmt.Fprintf(&b, "attempts: %d\n", rec.Attempt)

	if rec.File == "" {
		b.WriteString("file:     there is none any more\n")
	} else {
		fmt.Fprintf(&b, "file:     failed/%s\n", job.Show(rec.File))
		fmt.Fprintf(&b, "retry:    importerd retry %s, or move the file from failed/ to inbox/\n", rec.ID)
	}

	if rec.Exit != nil && len(rec.Exit.Tail) > 0 {
		fmt.Fprintf(&b, "\nThe last it said (all of it in %s):\n\n", log)

		for line := range strings.Lines(string(rec.Exit.Tail)) {
			b.WriteString("  " + job.Show(strings.TrimRight(line, "\r\n")) + "\n")
		}
	}

	return []byte(b.String())
}

// brokenNote is what the operator is told when a spool's handler cannot work.
func brokenNote(rec job.Record) []byte {
	return fmt.Appendf(nil, "the handler of spool %s cannot work: %s\n\n"+
		"All files are kept. One at a time is tried again until it works.\n", rec.Spool, rec.Error)
}
