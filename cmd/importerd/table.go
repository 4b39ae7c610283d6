package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"importerd/internal/job"
)

// table prints jobs for people, a line each. On a terminal lines are cut to its
// width; elsewhere nothing is cut.
type table struct {
	out   io.Writer
	now   time.Time
	width int // columns; 0: as many as it takes
	named bool
}

const (
	tableFormat = "%-12s  %-10s  %3s  %-12s  %-*s  %s\n"
	beforeName  = 12 + 2 + 10 + 2 + 3 + 2 + 12 + 2 // columns
	leastName   = 12
	leastWidth  = 80
)

// newTable returns a table on out.
func newTable(out io.Writer, now time.Time) *table {
	t := &table{out: out, now: now}

	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			t.width = max(width, leastWidth)
		}
	}

	return t
}

// print prints some jobs, and before the first ones what the columns are.
func (t *table) print(recs []job.Record) {
	names := leastName
	for _, rec := range recs {
		names = max(names, utf8.RuneCountInString(job.Show(rec.Name)))
	}

	if t.width > 0 { // the half of what is left
		names = min(names, max(leastName, (t.width-beforeName)*3/5))
	}

	if !t.named {
		t.named = true
		t.line(names, row{"ID", "STATE", "ATT", "WHEN", "NAME", "WHY"})
	}

	for _, rec := range recs {
		t.line(names, row{
			shortID(rec.ID), string(rec.Shown()), strconv.Itoa(rec.Attempt), t.when(&rec), job.Show(rec.Name), why(&rec),
		})
	}
}

// row is one line, in the order of its columns.
type row struct{ id, state, attempt, when, name, why string }

// line prints a line whose names get a number of columns.
func (t *table) line(names int, r row) {
	if t.width > 0 {
		r.name = shorten(r.name, names)
		r.why = shorten(r.why, t.width-beforeName-names-2)
	}

	line := fmt.Sprintf(tableFormat, r.id, r.state, r.attempt, r.when, names, r.name, r.why)
	fmt.Fprintln(t.out, strings.TrimRight(line, " \n"))
}

// when says when the job came to be as it is, or when it goes on.
func (t *table) when(rec *job.Record) string {
	if rec.State == job.Deferred && rec.DueAt.After(t.now) {
		return "due " + t.short(rec.DueAt)
	}

	at := rec.FinishedAt
	if at.IsZero() {
		at = rec.StartedAt
	}

	if at.IsZero() {
		at = rec.CreatedAt
	}

	return t.short(at)
}

// short writes a time as briefly as it can be told from now.
func (t *table) short(at time.Time) string {
	at = at.Local()
	now := t.now.Local()

	switch {
	case at.Year() == now.Year() && at.YearDay() == now.YearDay():
		return at.Format(time.TimeOnly)
	case at.Sub(now).Abs() < 300*24*time.Hour:
		return at.Format("Jan _2 15:04")
	}

	return at.Format(time.DateOnly)
}

// why says in one line why the job is where it is.
func why(rec *job.Record) string {
	return job.Show(strings.TrimSpace(cmp.Or(rec.Error, whyNoError(rec))))
}

func whyNoError(rec *job.Record) string {
	switch {
	case rec.State == job.Deferred && rec.Interruptions > 0:
		return "interrupted"
	case rec.State.Ended() && rec.File == "":
		return "no file any more"
	}

	return ""
}

// shorten cuts text to n columns.
func shorten(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}

	return string([]rune(text)[:max(n-1, 0)]) + "…"
}
