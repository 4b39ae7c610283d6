package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

const (
	barWidth   = 20 // columns
	leastBoard = 60 // columns; narrower ones have no bars and no ids
	rateOver   = 10 // seconds
)

// board shows on a terminal which jobs run and what was done, and lets what failed
// scroll above that. What it has drawn last it draws over.
type board struct {
	*painter

	size  func() (width, height int)
	now   func() time.Time
	watch wire.Watch
	known map[job.ID]string   // how each job was when it was last told
	jobs  map[job.ID]wire.Job // those that run
	done  map[job.State]int   // how many have ended so
	ends  rate
	lost  string      // why the daemon is away; empty: it is not
	above []eventText // still to be scrolled
	drawn []int       // how many columns each line has that is there to be drawn over
	fresh bool        // what runs is told anew: forget what did
}

// newBoard returns a board on a terminal.
func newBoard(p *painter, w wire.Watch, size func() (int, int)) *board {
	return &board{
		painter: p, size: size, now: time.Now, watch: w, known: map[job.ID]string{}, jobs: map[job.ID]wire.Job{},
		done: map[job.State]int{},
	}
}

func (b *board) event(e wire.Event) {
	if b.fresh {
		b.fresh = false
		clear(b.jobs)
	}

	// Where single jobs were asked for, each end is worth a line.
	line := eventLine(e, b.known, b.watch.All, b.now())
	if line.text != "" && (!line.minor || e.Kind == wire.KindEnded && len(b.watch.Watch) > 0) {
		b.above = append(b.above, line)
	}

	switch e.Kind {
	case wire.KindEnded:
		delete(b.jobs, e.Job.ID)
		b.done[e.Job.State]++
		b.ends.count(b.now())
	case wire.KindChanged:
		b.change(e.Job)
	case wire.KindReset:
		maps.DeleteFunc(b.jobs, func(_ job.ID, j wire.Job) bool { return j.Spool == e.Spool })
	case wire.KindUnknown, wire.KindReady, wire.KindEnd:
	}
}

// change takes up how a job is that has not ended.
func (b *board) change(j *wire.Job) {
	switch j.State {
	case job.Processing, job.Paused, job.Committing:
		b.jobs[j.ID] = *j
	case job.Deferred, job.Done, job.Failed, job.Terminated:
		delete(b.jobs, j.ID)
	}
}

func (b *board) away(err error) {
	if err == nil {
		b.lost, b.fresh = "", true
		b.above = append(b.above, compose(b.now(), "back", green, "the daemon is back"))

		return
	}

	b.lost = awayText(err)
	b.above = append(b.above, compose(b.now(), "away", yellow, b.lost))
}

// draw draws over what was drawn last.
func (b *board) draw() { b.paintOver(b.lines()) }

// close leaves the summary on the screen.
func (b *board) close() {
	lines := b.lines()
	b.paintOver(lines[len(lines)-1:])
}

// paintOver writes what is to be scrolled, and below it lines, in one go.
func (b *board) paintOver(lines []boardLine) {
	var out bytes.Buffer

	width, _ := b.size()

	if up := rows(b.drawn, width); up > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", up)
	}

	out.WriteString("\r\x1b[J") // all that was drawn goes

	for _, line := range b.above {
		text := line.text[:line.from] + b.paint(line.colour, line.text[line.from:line.to]) + line.text[line.to:]
		out.WriteString(text + "\n")
	}

	b.above, b.drawn = nil, nil

	for _, line := range lines {
		out.WriteString(line.painted + "\n")
		b.drawn = append(b.drawn, line.columns)
	}

	_, _ = b.out.Write(out.Bytes()) // nobody can be told
}

// rows returns how many rows lines take on a terminal that has become narrower
// and has folded them.
func rows(drawn []int, width int) int {
	n := 0
	for _, columns := range drawn {
		n += max(1, (columns+width-1)/max(width, 1))
	}

	return n
}

// boardLine is one line with colours, and how many columns it has.
type boardLine struct {
	painted string
	columns int
}

// lines returns what is shown now: jobs as far as there is room, and a summary.
func (b *board) lines() []boardLine {
	width, height := b.size()
	running := b.running()
	room := max(1, height-4)

	var lines []boardLine

	for i, j := range running {
		if i == room && len(running) > room {
			lines = append(lines, b.cut(plain, fmt.Sprintf("  and %s more", number(len(running)-room)), width))

			break
		}

		lines = append(lines, b.cut(stateColour(j.State), b.jobText(&j, width), width))
	}

	if b.lost != "" {
		lines = append(lines, b.cut(yellow, "away: "+b.lost, width))
	}

	return append(lines, b.cut(bold, b.summary(len(running)), width))
}

// cut cuts a line to the width of the terminal, so that it stays one.
func (b *board) cut(c colour, text string, width int) boardLine {
	text = shorten(text, width-1)

	return boardLine{b.paint(c, text), utf8.RuneCountInString(text)}
}

// running returns the jobs that run, those first that have run longest.
func (b *board) running() []wire.Job {
	all := make([]wire.Job, 0, len(b.jobs))
	for _, j := range b.jobs {
		all = append(all, j)
	}

	slices.SortFunc(all, func(x, y wire.Job) int {
		return cmp.Or(x.StartedAt.Compare(y.StartedAt), slices.Compare(x.ID[:], y.ID[:]))
	})

	return all
}

// stateColour returns the colour of a job that runs.
func stateColour(state job.State) colour {
	if state == job.Processing {
		return plain
	}

	return yellow
}

// jobText is the line of one job that runs.
func (b *board) jobText(j *wire.Job, width int) string {
	name := job.Show(wire.NameOf(j.Name, j.NameB64))
	if b.watch.All {
		name = job.Show(j.Spool) + "/" + name
	}

	took := ""
	if !j.StartedAt.IsZero() {
		took = brief(b.now().Sub(j.StartedAt))
	}

	if width < leastBoard {
		how := percent(j)
		names := max(4, width-1-len(how)-2-7-2)

		return fmt.Sprintf("%-*s  %s  %7s", names, shorten(name, names), how, took)
	}

	how := fmt.Sprintf("%s  %s", bar(j.Progress), percent(j))
	names := width - 1 - 12 - 2 - utf8.RuneCountInString(how) - 2 - 7 - 2

	return fmt.Sprintf("%s  %-*s  %s  %7s", shortID(j.ID), names, shorten(name, names), how, took)
}

// percent says how far a job is, or how it is if nobody knows that, in 10 columns.
func percent(j *wire.Job) string {
	switch {
	case j.State == job.Processing && j.Progress != nil:
		return fmt.Sprintf("%-10s", fmt.Sprintf("%3.0f %%", 100*min(max(*j.Progress, 0), 1)))
	case j.State == job.Processing:
		return "running   "
	}

	return fmt.Sprintf("%-10s", j.State)
}

// bar draws progress; nil: nothing is known of it.
func bar(progress *float64) string {
	if progress == nil {
		return strings.Repeat("·", barWidth)
	}

	full := int(min(max(*progress, 0), 1) * barWidth)

	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

// summary counts what was seen.
func (b *board) summary(running int) string {
	ended := b.done[job.Done] + b.done[job.Failed] + b.done[job.Terminated]
	text := number(running) + " running, " + number(b.done[job.Done]) + " done"

	for _, state := range []job.State{job.Failed, job.Terminated} {
		if n := b.done[state]; n > 0 {
			text += ", " + number(n) + " " + string(state)
		}
	}

	if all := len(b.watch.Watch); all > 0 {
		return text + fmt.Sprintf(", %s of %s ended", number(ended), number(all))
	}

	if perSecond, known := b.ends.of(b.now()); known {
		text += fmt.Sprintf(", %.1f files/s", perSecond)
	}

	return text
}
