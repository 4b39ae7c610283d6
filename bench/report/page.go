package report

import (
	_ "embed"
	"fmt"
	"strings"

	"importerd/bench/plan"
	"importerd/bench/result"
	"importerd/bench/stat"
	"importerd/bench/trial"
)

// Page and pictures, by their names below docs/.
const (
	Page        = "performance.md"
	RatePicture = "performance-rate.svg"
	WaitPicture = "performance-wait.svg"
	LatePicture = "performance-wait-command.svg"
)

// Pages returns the report: the text of each file by its name.
func Pages(run result.Run) map[string]string {
	return map[string]string{
		Page:        page(run),
		RatePicture: rates(run).svg(),
		WaitPicture: waits(run, "stream", "Rename to handler, 500 files/s, worker").svg(),
		LatePicture: waits(run, "stream-command", "Rename to handler, 100 files/s, a command for each").svg(),
	}
}

func page(run result.Run) string {
	var text strings.Builder

	text.WriteString(head(run))
	text.WriteString(targets(run))
	text.WriteString(pictures)
	text.WriteString(method)

	for _, row := range plan.Rows() {
		if found, ok := run.Row(row.Name); ok {
			text.WriteString(section(row, found))
		}
	}

	return text.String()
}

func head(run result.Run) string {
	form := "The full form of the benchmark"
	if run.Quick {
		form = "The quick form of the benchmark, with few rounds and small counts"
	}

	m := run.Machine
	lines := [][2]string{
		{"made", "by `" + run.Command + "`, " + run.Made},
		{"commit", "`" + m.Commit + "`"},
		{"processors", fmt.Sprintf("%d, %s", m.CPUs, m.CPU)},
		{"memory", m.Memory},
		{"kernel", "Linux " + m.Kernel},
		{"file system", fmt.Sprintf("%s on `%s` (`%s`)", m.FileSystem, m.Device, m.Mount)},
		{"queue of inotify", m.EventsQueue + " events"},
		{"Go", m.Go},
	}

	var text strings.Builder

	text.WriteString(opening)
	fmt.Fprintf(&text, "%s, on this machine:\n\n| | |\n| --- | --- |\n", form)

	for _, line := range lines {
		fmt.Fprintf(&text, "| %s | %s |\n", line[0], line[1])
	}

	return text.String()
}

func targets(run result.Run) string {
	var text strings.Builder

	text.WriteString(`
## What was to be reached

Figures without a unit are ratios to the other contender's in the same round; the median of the rounds counts, and
"between" tells the lowest and the highest of them. More is better where something is wanted "at least".

| | wanted | measured | between | reached |
| --- | --- | --- | --- | --- |
`)

	for _, v := range judge(run) {
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", cell(v.Title), v.limit(), v.value(), v.spread(), v.word())
	}

	return text.String()
}

const pictures = `
![Files per second over the number of files that wait](performance-rate.svg)

![Rename to handler, 500 files a second, worker](performance-wait.svg)

![Rename to handler, 100 files a second, a command for each](performance-wait-command.svg)
`

// opening and method are what does not depend on the figures.
//
//go:embed opening.md
var opening string

//go:embed method.md
var method string

func section(row plan.Row, found result.Row) string {
	var text strings.Builder

	fmt.Fprintf(&text, "\n## %s\n\n", row.Title)

	if row.Note != "" {
		text.WriteString(row.Note + "\n\n")
	}

	if row.Kind != plan.Idle && len(found.Samples) > 0 {
		fmt.Fprintf(&text, "%s files of %s each, %d rounds (`-only %s`).\n\n",
			thousands(found.Samples[0].Files), bytes(row.Size), rounds(found), row.Name)
	}

	switch row.Kind {
	case plan.Idle:
		text.WriteString(idle(found))
	case plan.Backlog:
		text.WriteString(backlog(found))
	default:
		text.WriteString(arrival(found, row.Kind))
	}

	for _, c := range found.Skipped {
		fmt.Fprintf(&text, "\n%s took no part: %s.\n", c.Title, c.Why)
	}

	return text.String()
}

func rounds(row result.Row) int {
	n := 0
	for _, s := range row.Samples {
		n = max(n, s.Round+1)
	}

	return n
}

func bytes(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}

	return fmt.Sprintf("%d KiB", n>>10)
}

func idle(row result.Row) string {
	var text strings.Builder

	text.WriteString("| | watched | CPU in a minute | MiB |\n| --- | --: | --: | --: |\n")

	for _, s := range row.Samples {
		fmt.Fprintf(&text, "| %s | %.0f s | %s s | %s |\n",
			s.Contender, s.Seconds, figure(plan.Minute.Of(s)), figure(s.Memory))
	}

	return text.String()
}

func backlog(row result.Row) string {
	var text strings.Builder

	text.WriteString("| | files/s | between | first file ms | CPU ms per 1,000 | MiB | missed | twice |\n" +
		"| --- | --: | --: | --: | --: | --: | --: | --: |\n")

	for _, c := range row.Contenders {
		files := stat.Of(row.Values(c.Name, trial.Sample.Rate))
		fmt.Fprintf(&text, "| %s | %s | %s to %s | %s | %s | %s | %s | %s |\n",
			cell(c.Title), figure(files.Median), figure(files.Min), figure(files.Max),
			known(row, c.Name, plan.First.Of), known(row, c.Name, cpu), known(row, c.Name, plan.Memory.Of),
			count(row.Of(c.Name), missed), count(row.Of(c.Name), twice))
	}

	return text.String()
}

func arrival(row result.Row, kind plan.Kind) string {
	var text strings.Builder

	text.WriteString("| | files/s | p50 ms | p99 ms | max ms | CPU ms per 1,000 | MiB | missed | twice | half |\n" +
		"| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n")

	for _, c := range row.Contenders {
		wait := func(rank float64) string {
			return figure(1000 * stat.Median(row.Values(c.Name, func(s trial.Sample) float64 { return s.Wait(rank) })))
		}

		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
			cell(c.Title), rate(row, c.Name, kind), wait(0.5), wait(0.99), wait(1),
			known(row, c.Name, cpu), known(row, c.Name, plan.Memory.Of),
			count(row.Of(c.Name), missed), count(row.Of(c.Name), twice), count(row.Of(c.Name), half))
	}

	return text.String()
}

// rate means nothing where the wait counts from the end of a second's writing.
func rate(row result.Row, contender string, kind plan.Kind) string {
	if kind == plan.Slow {
		return "–"
	}

	return known(row, contender, trial.Sample.Rate)
}

func missed(s trial.Sample) int { return s.Missed }
func twice(s trial.Sample) int  { return s.Twice }
func half(s trial.Sample) int   { return s.Half }

// cell keeps the bars of a title from being taken for those of the table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func cpu(s trial.Sample) float64 { return s.CPU * 1e6 / float64(max(1, s.Files)) }

// known returns the median of a figure, – if nobody could measure it.
func known(row result.Row, contender string, f func(trial.Sample) float64) string {
	if m := stat.Median(row.Values(contender, f)); m > 0 {
		return figure(m)
	}

	return "–"
}

// count returns the sum over all rounds: one file too few in one of them counts.
func count(of []trial.Sample, f func(trial.Sample) int) string {
	sum := 0

	for _, s := range of {
		if f(s) < 0 {
			return "–"
		}

		sum += f(s)
	}

	return thousands(sum)
}
