package plan

import "importerd/bench/trial"

// Target is something to be reached: a figure of importerd, absolute or as a ratio
// to somebody else's in the same run.
type Target struct {
	Title  string
	Figure Figure
	Row    string
	Name   string // the contender that is to reach it
	// AgainstRow and Against are whom it is compared with; both empty: nobody. An
	// empty AgainstRow is the same row, and then round is compared with round.
	AgainstRow, Against string
	Limit               float64
	Least               bool   // the limit is the least, not the most
	Unit                string // of what is absolute
	Absent              string // why it can never be measured here; empty: it can
}

// Figure is what of a sample counts.
type Figure string

// The figures.
const (
	Rate    Figure = "files/s"
	PerFile Figure = "time per file"
	P50     Figure = "p50"
	P99     Figure = "p99"
	Missed  Figure = "missed"
	Twice   Figure = "twice"
	First   Figure = "first file"
	Memory  Figure = "memory"
	Minute  Figure = "CPU in a minute"
)

// Of returns the figure of a sample.
func (f Figure) Of(s trial.Sample) float64 {
	switch f {
	case Rate:
		return s.Rate()
	case PerFile:
		return s.Seconds / float64(max(1, s.Files))
	case P50:
		return s.Wait(0.5)
	case P99:
		return s.Wait(0.99)
	case Missed:
		return float64(s.Missed)
	case Twice:
		return float64(s.Twice)
	case First:
		return s.First * 1000
	case Memory:
		return s.Memory
	case Minute:
		return s.CPU * 60 / s.Seconds
	default:
		panic("bug: no such figure: " + string(f))
	}
}

// Targets returns all that is to be reached, in the order of the report.
func Targets() []Target {
	targets := append(backlogTargets(), arrivalTargets()...)

	return append(targets, standingTargets()...)
}

func backlogTargets() []Target {
	const worker, command = "importerd-worker", "importerd-command"

	return []Target{
		{
			Title: "worker, 16 in flight, against the bare loop with fsync per 256", Figure: Rate,
			Row: "backlog-worker", Name: worker, Against: "bare-fsync", Limit: 0.7, Least: true,
		},
		{
			Title: "the same against that loop when it asks a co-process", Figure: Rate,
			Row: "backlog-worker", Name: worker, Against: "bare-ask", Limit: 1, Least: true,
		},
		{
			Title: "the same against the fastest product (Benthos, Telegraf)", Figure: Rate,
			Limit: 8, Least: true, Absent: "Debian has no packages of them",
		},
		{
			Title: "`/bin/true`, 2 workers, against the bare loop with the same", Figure: Rate,
			Row: "backlog-command", Name: command, Against: "bare-command", Limit: 0.9, Least: true,
		},
		{
			Title: "the same against `xargs -P2 -n1`", Figure: Rate,
			Row: "backlog-command", Name: command, Against: "xargs", Limit: 0.8, Least: true,
		},
	}
}

func arrivalTargets() []Target {
	const worker, command = "importerd-worker", "importerd-command"

	var targets []Target

	for _, c := range trial.Daemons() {
		targets = append(targets, Target{
			Title: "a command for each file that comes, against " + c.Title, Figure: Rate,
			Row: "arrivals-command", Name: command, Against: c.Name, Limit: 1, Least: true,
		})
	}

	for _, f := range []Figure{P50, P99} {
		targets = append(targets, Target{
			Title: "500 files/s, rename to handler, " + string(f) + ", against the bare loop that asks a co-process", Figure: f,
			Row: "stream", Name: worker, Against: "bare-ask", Limit: 2,
		})
	}

	return append(targets,
		Target{Title: "burst of 50,000: missed", Figure: Missed, Row: "burst", Name: worker, Unit: "files"},
		Target{Title: "burst of 50,000: handled twice", Figure: Twice, Row: "burst", Name: worker, Unit: "files"})
}

func standingTargets() []Target {
	const million, worker = "backlog-1M", "importerd-worker"

	return []Target{
		{
			Title: "a million waiting against 10,000: time per file", Figure: PerFile,
			Row: million, Name: worker, AgainstRow: "backlog-worker", Against: worker, Limit: 1.15,
		},
		{Title: "a million waiting: memory", Figure: Memory, Row: million, Name: worker, Limit: 40, Unit: "MiB"},
		{
			Title: "a million waiting: first file after the start", Figure: First,
			Row: million, Name: worker, Limit: 200, Unit: "ms",
		},
		{
			Title: "a journal of a million old jobs against an empty one", Figure: Rate,
			Row: "journal", Name: OldName, Against: worker, Limit: 0.95, Least: true,
		},
		{Title: "idle, 1 spool: CPU in a minute", Figure: Minute, Row: "idle", Name: "importerd", Limit: 0.03, Unit: "s"},
		{Title: "idle, 1 spool: memory", Figure: Memory, Row: "idle", Name: "importerd", Limit: 20, Unit: "MiB"},
		{Title: "idle, 64 spools: CPU in a minute", Figure: Minute, Row: "idle-64", Name: "importerd", Limit: 0.5, Unit: "s"},
		{Title: "idle, 64 spools: memory", Figure: Memory, Row: "idle-64", Name: "importerd", Limit: 64, Unit: "MiB"},
	}
}
