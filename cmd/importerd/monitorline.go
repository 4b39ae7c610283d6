package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// eventText is an event in a line for people; no text: it is not worth one.
type eventText struct {
	text   string
	colour colour
	from   int // of the text, in bytes, is coloured
	to     int
	minor  bool // it goes well: where all is counted it need not be told
}

// eventLine says an event in a line, if it is news: known holds how each job was
// when it was last told.
func eventLine(e wire.Event, known map[job.ID]string, spools bool, now time.Time) eventText {
	switch e.Kind {
	case wire.KindEnded:
		delete(known, e.Job.ID)

		return jobLine(e.Job, string(e.Job.State), endText(e.Job), spools, cmp.Or(e.Job.FinishedAt, now))
	case wire.KindChanged:
		return changeLine(e.Job, known, spools, now)
	case wire.KindUnknown:
		return compose(now, "unknown", red, shortID(*e.ID)+"  there is no such job")
	case wire.KindReset:
		return compose(now, "reset", yellow,
			fmt.Sprintf("spool %s has another journal now: what ended meanwhile is not told", job.Show(e.Spool)))
	case wire.KindReady, wire.KindEnd:
	}

	return eventText{}
}

// changeLine says how a job is now that has not ended, if that is news.
func changeLine(j *wire.Job, known map[job.ID]string, spools bool, now time.Time) eventText {
	is := fmt.Sprint(j.State, j.Attempt)
	was := known[j.ID]
	known[j.ID] = is

	if was == is {
		return eventText{}
	}

	switch j.State {
	case job.Processing:
		word, text := "started", ""
		if strings.HasPrefix(was, string(job.Paused)) {
			word = "resumed"
		}

		if j.Attempt > 1 {
			text = fmt.Sprintf("attempt %d", j.Attempt)
		}

		return jobLine(j, word, text, spools, now)
	case job.Paused:
		return jobLine(j, "paused", "", spools, now)
	case job.Deferred:
		if j.Error == "" {
			return eventText{} // it waits for a worker
		}

		text := job.Show(blame(j))
		if j.DueAt.After(now) {
			text += ", again at " + j.DueAt.Local().Format(time.TimeOnly)
		}

		return jobLine(j, "deferred", text, spools, now)
	case job.Committing, job.Done, job.Failed, job.Terminated:
	}

	return eventText{}
}

// jobLine says what has happened to a job.
func jobLine(j *wire.Job, word, text string, spools bool, at time.Time) eventText {
	name := job.Show(wire.NameOf(j.Name, j.NameB64))
	if spools {
		name = job.Show(j.Spool) + "/" + name
	}

	line := compose(at, word, wordColour(word), strings.TrimRight(shortID(j.ID)+"  "+name+"  "+text, " "))
	line.minor = word != "deferred" && !strings.HasPrefix(string(j.State), "fail") && j.State != job.Terminated

	return line
}

// compose puts a line together, with its word in colour.
func compose(at time.Time, word string, c colour, text string) eventText {
	begin := at.Local().Format(time.TimeOnly) + "  "

	return eventText{
		text: begin + fmt.Sprintf("%-10s", word) + "  " + text, colour: c, from: len(begin), to: len(begin) + len(word),
	}
}

// wordColour returns the colour of what has happened.
func wordColour(word string) colour {
	switch word {
	case string(job.Done):
		return green
	case string(job.Failed):
		return red
	case string(job.Terminated), string(job.Deferred), string(job.Paused):
		return yellow
	}

	return plain
}

// endText says how a job has ended: how long it took, or why it was not done.
func endText(j *wire.Job) string {
	if j.State != job.Done {
		return job.Show(blame(j))
	}

	if j.Took == 0 {
		return ""
	}

	return "took " + brief(time.Duration(j.Took*float64(time.Second)))
}

// blame says why a job is not done, with the last line that its handler said.
func blame(j *wire.Job) string {
	why := cmp.Or(strings.TrimSpace(j.Error), "for no reason that is known")

	last := strings.TrimSpace(j.Output)
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = strings.TrimSpace(last[i+1:])
	}

	if last == "" {
		return why
	}

	return why + ": " + last
}

// brief writes a duration in two units at most.
func brief(d time.Duration) string {
	d = max(d, 0)

	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}

	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}
