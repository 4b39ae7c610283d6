package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"importerd/internal/job"
)

const (
	statusWidth = 80 // columns
	labelWidth  = 14 // columns before the text, with two spaces before the label
)

// colour is how a terminal is told to write; empty: as always.
type colour string

// The colours.
const (
	plain  colour = ""
	bold   colour = "1"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// painter writes lines of at most statusWidth columns, in colour where that is
// wanted. What it is given is made harmless for a terminal.
type painter struct {
	out      io.Writer
	coloured bool
}

// newPainter returns a painter on out. It uses colours on a terminal, unless the
// environment has NO_COLOR.
func newPainter(out io.Writer) *painter {
	p := &painter{out: out}

	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.coloured = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}

	return p
}

// blank writes an empty line.
func (p *painter) blank() { fmt.Fprintln(p.out) }

// text writes a paragraph.
func (p *painter) text(c colour, text string) {
	for _, line := range wrap(job.Show(text), statusWidth) {
		fmt.Fprintln(p.out, p.paint(c, line))
	}
}

// title writes a name and, in colour, how it stands.
func (p *painter) title(name string, c colour, how string) {
	fmt.Fprintf(p.out, "%s  %s\n", p.paint(bold, job.Show(name)), p.paint(c, how))
}

// row writes a label and, beside it, a text in as many lines as it takes; no text:
// nothing.
func (p *painter) row(c colour, label, text string) {
	if text == "" {
		return
	}

	label = fmt.Sprintf("  %-*s", labelWidth-2, label)

	for _, line := range wrap(job.Show(text), statusWidth-labelWidth) {
		fmt.Fprintln(p.out, p.paint(c, label)+line)

		label = strings.Repeat(" ", labelWidth)
	}
}

// paint returns text in a colour.
func (p *painter) paint(c colour, text string) string {
	if !p.coloured || c == plain || strings.TrimSpace(text) == "" {
		return text
	}

	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// wrap cuts text into lines of at most width columns: at spaces, and words that
// are longer than a line where it ends, so that nothing is left out.
func wrap(text string, width int) []string {
	var (
		lines []string
		line  string
	)

	flush := func() {
		if line != "" {
			lines, line = append(lines, line), ""
		}
	}

	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			flush()
		}

		for utf8.RuneCountInString(word) > width {
			head := string([]rune(word)[:width])
			lines, word = append(lines, head), word[len(head):]
		}

		if line != "" && word != "" {
			line += " "
		}

		line += word
	}

	flush()

	return lines
}
