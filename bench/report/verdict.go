// Package report writes what a run of the benchmark has found: a page in Markdown
// and pictures of the curves. The same run always gives the same text.
package report

import (
	"fmt"
	"slices"
	"strings"

	"importerd/bench/plan"
	"importerd/bench/result"
	"importerd/bench/stat"
	"importerd/bench/trial"
)

// verdict is how a target stands.
type verdict struct {
	plan.Target
	got      stat.Spread
	reached  bool
	measured bool
	why      string // if it was not measured
}

// judge compares the run with the targets.
func judge(run result.Run) []verdict {
	targets := plan.Targets()
	verdicts := make([]verdict, 0, len(targets))

	for _, t := range targets {
		verdicts = append(verdicts, judgeOne(run, t))
	}

	return verdicts
}

func judgeOne(run result.Run, t plan.Target) verdict {
	v := verdict{Target: t, why: t.Absent}
	if t.Absent != "" {
		return v
	}

	row, ok := run.Row(t.Row)
	if !ok {
		v.why = "the row was not run"
		return v
	}

	values := row.Values(t.Name, t.Figure.Of)

	if t.Against == "" {
		v.got = stat.Of(values)
	} else {
		v.got = compare(run, row, t, values)
	}

	if v.measured = v.got.Rounds > 0; !v.measured {
		v.why = absent(row, t.Name, t.Against)
		return v
	}

	if v.reached = v.got.Median <= t.Limit; t.Least {
		v.reached = v.got.Median >= t.Limit
	}

	return v
}

// compare divides round by round, or by the other row's median where the rounds
// were not taken in turn.
func compare(run result.Run, row result.Row, t plan.Target, values []float64) stat.Spread {
	if t.AgainstRow == "" {
		return stat.Ratios(values, row.Values(t.Against, t.Figure.Of))
	}

	other, _ := run.Row(t.AgainstRow)
	middle := stat.Median(other.Values(t.Against, t.Figure.Of))

	return stat.Ratios(values, slices.Repeat([]float64{middle}, len(values)))
}

// absent says why a contender has no samples.
func absent(row result.Row, names ...string) string {
	for _, c := range row.Skipped {
		if slices.Contains(names, c.Name) {
			return c.Name + ": " + c.Why
		}
	}

	return "did not take part"
}

// words of the table of targets.
func (v verdict) limit() string {
	word := "at most"
	if v.Least {
		word = "at least"
	}

	if v.Limit == 0 {
		word = ""
	}

	return strings.TrimSpace(fmt.Sprintf("%s %s %s", word, figure(v.Limit), v.Unit))
}

func (v verdict) value() string {
	if !v.measured {
		return "not measured: " + v.why
	}

	return strings.TrimSpace(figure(v.got.Median) + " " + v.Unit)
}

func (v verdict) spread() string {
	if !v.measured || v.got.Rounds == 1 {
		return "–"
	}

	return figure(v.got.Min) + " to " + figure(v.got.Max)
}

func (v verdict) word() string {
	switch {
	case !v.measured:
		return "–"
	case v.reached:
		return "yes"
	default:
		return "**no**"
	}
}

// Summary says for a terminal how the targets of a run stand, as far as it has
// measured them, and how the contenders of each row compare.
func Summary(run result.Run) string {
	var text strings.Builder

	for _, v := range judge(run) {
		if v.measured {
			fmt.Fprintf(&text, "%-6s %s: %s (%s), wanted %s\n",
				strings.Trim(v.word(), "*"), v.Title, v.value(), v.spread(), v.limit())
		}
	}

	for _, row := range run.Rows {
		for _, c := range row.Contenders[min(1, len(row.Contenders)):] {
			first := row.Contenders[0].Name
			r := stat.Ratios(row.Values(first, trial.Sample.Rate), row.Values(c.Name, trial.Sample.Rate))
			fmt.Fprintf(&text, "%-17s files/s of %s against %s: %.3f (%.3f to %.3f)\n",
				row.Name, first, c.Name, r.Median, r.Min, r.Max)
		}
	}

	return text.String()
}
