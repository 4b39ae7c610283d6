package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"importerd/internal/config"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// moment is how a time is shown to people.
const moment = "2006-01-02 15:04:05.000 MST"

// sheet is one account for people: the file in the inbox if there is one, the first job of
// its name with all that is worth a line, and the others in a line each.
type sheet struct {
	out io.Writer
	account
}

// line prints one thing that is known.
func (s sheet) line(what, format string, args ...any) {
	fmt.Fprintf(s.out, "%-12s %s\n", what, fmt.Sprintf(format, args...))
}

// print prints all.
func (s sheet) print() {
	s.line("file", "%s", job.Show(wire.NameOf(s.Name, s.NameB64)))
	s.line("spool", "%s, in %s", s.Spool, s.Dir)

	if s.Unasked != "" {
		s.line("daemon", "not asked: %s", job.Show(s.Unasked))
	}

	if s.Standing != "" {
		s.printStanding()
	}

	s.printFiles()

	for i := range s.Jobs {
		switch j := &s.Jobs[i]; i {
		case 0:
			s.printJob(j)
		case 1:
			s.line("other jobs", "%s", s.short(j))
		default:
			s.line("", "%s", s.short(j))
		}
	}
}

// printStanding prints why there is a file in the inbox.
func (s sheet) printStanding() {
	text := s.Reason
	if !strings.HasPrefix(text, string(s.Standing)) {
		text = string(s.Standing) + ": " + text
	}

	if s.Reason == job.ReasonOpen {
		text += " by " + s.writers()
	}

	if s.Until > 0 {
		text += ", for another " + config.FormatDuration(round(time.Duration(s.Until*float64(time.Second))))
	}

	s.line("inbox", "%s", job.Show(text))
	s.printObstacles()
}

// printObstacles prints why nothing is taken or started.
func (s sheet) printObstacles() {
	for _, obstacle := range s.Obstacles {
		s.line("", "%s", obstacle)
	}
}

// writers says who has the file open for writing.
func (s sheet) writers() string {
	all := make([]string, len(s.Writers))
	for i, w := range s.Writers {
		all[i] = w.String()
	}

	switch {
	case len(all) > 0:
		return strings.Join(all, ", ")
	case os.Geteuid() != 0:
		return "somebody: root can see who it is"
	}

	return "somebody who cannot be seen from here"
}

// printFiles prints where files of the name lie, but for the first job's.
func (s sheet) printFiles() {
	for _, path := range s.Files {
		if len(s.Jobs) == 0 || path != s.path(&s.Jobs[0]) {
			s.line("at", "%s", path)
		}
	}

	switch {
	case s.Unread != "":
		s.line("job", "not known: %s", job.Show(s.Unread))
	case len(s.Jobs) == 0:
		s.line("job", "none of this name is known")
	}
}

// printJob prints all that is worth a line of a job.
func (s sheet) printJob(j *wire.Job) {
	s.line("job", "%s", j.ID)

	if j.Name != s.Name {
		s.line("dropped as", "%s", job.Show(wire.NameOf(j.Name, j.NameB64)))
	}

	s.line("state", "%s", s.state(j))

	if j.State == job.Deferred && !j.DueAt.After(time.Now()) {
		s.printObstacles()
	}

	if j.Error != "" {
		s.line("why", "%s", job.Show(strings.TrimSpace(j.Error)))
	}

	s.line("at", "%s", s.path(j))
	s.times(j)

	if text := exitOf(j); text != "" {
		s.line("exit", "%s", text)
	}

	if j.Results != "" {
		s.line("results", "%s", s.in(job.ResultsFolder, wire.NameOf(j.Results, j.ResultsB64)))
	}

	if text := next(j); text != "" {
		s.line("next", "%s", text)
	}
}

// state says in which state a job is, and since which attempt.
func (s sheet) state(j *wire.Job) string {
	text := string(j.State)

	switch j.State { //nolint:exhaustive // the others say it all
	case job.Committing:
		text += ": its handler has ended, but the disk does not take its outcome"
	case job.Paused:
		text += " by a person"
	case job.Deferred:
		if wait := time.Until(j.DueAt); wait > 0 {
			text += " for another " + config.FormatDuration(round(wait))
		} else {
			text += ", due now"
		}
	case job.Processing:
		if j.Progress != nil {
			text += fmt.Sprintf(", %.0f %% done", *j.Progress*100)
		}
	}

	switch {
	case j.Attempt > 0:
		text += fmt.Sprintf(", attempt %d", j.Attempt)
	case !j.State.Ended():
		text += ", no attempt yet"
	}

	if j.Interruptions > 0 {
		text += fmt.Sprintf(", interrupted %d times", j.Interruptions)
	}

	return text
}

// times prints when what happened.
func (s sheet) times(j *wire.Job) {
	for _, at := range []struct {
		what string
		time time.Time
	}{{"created", j.CreatedAt}, {"started", j.StartedAt}, {"finished", j.FinishedAt}, {"due", j.DueAt}} {
		if !at.time.IsZero() {
			s.line(at.what, "%s", at.time.Local().Format(moment))
		}
	}
}

// path says where a job's file lies.
func (s sheet) path(j *wire.Job) string {
	file := wire.NameOf(j.File, j.FileB64)

	switch {
	case j.Moving != nil:
		return fmt.Sprintf("on its way from %s/ to %s/", j.Moving.From, j.Moving.To)
	case file == "":
		return "there is no file any more"
	}

	folder := j.State.Folder()
	if _, err := os.Lstat(filepath.Join(s.Dir, string(job.ProcessingFolder), file)); err == nil && j.State == job.Paused {
		folder = job.ProcessingFolder // frozen
	}

	return s.in(folder, file)
}

// in returns the path of something in a folder of the spool, for people.
func (s sheet) in(folder job.Folder, name string) string {
	return filepath.Join(s.Dir, string(folder), job.Show(name))
}

// short says of a job what a line holds.
func (s sheet) short(j *wire.Job) string {
	at := cmp.Or(j.FinishedAt.Unix(), 0)

	when := j.CreatedAt
	if at > 0 {
		when = j.FinishedAt
	}

	text := fmt.Sprintf("%s %s %s", shortID(j.ID), when.Local().Format(time.DateTime), j.State)
	if j.Error != "" {
		text += ": " + job.Show(strings.TrimSpace(j.Error))
	}

	return text
}

// exitOf says how a job's last attempt ended; empty: none has.
func exitOf(j *wire.Job) string {
	var text string

	switch {
	case j.Signal != "":
		text = j.Signal
	case j.ExitCode != nil:
		text = fmt.Sprintf("code %d", *j.ExitCode)
	default:
		return ""
	}

	return fmt.Sprintf("%s after %s", text, round(time.Duration(j.Took*float64(time.Second))))
}

// next says what a person may do about a job; empty: nothing.
func next(j *wire.Job) string {
	switch j.State { //nolint:exhaustive // there is nothing to be done about the others
	case job.Failed, job.Terminated:
		return "importerd retry " + j.ID.String()
	case job.Paused:
		return "importerd resume " + j.ID.String()
	}

	return ""
}

// round makes a duration fit to be read.
func round(d time.Duration) time.Duration {
	if d > time.Minute {
		return d.Round(time.Second)
	}

	return d.Round(time.Millisecond)
}
