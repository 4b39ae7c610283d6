// Package plan says what is measured: who takes part in which row, with how many
// files, and what is to be reached.
package plan

import (
	"time"

	"importerd/bench/trial"
)

// Kind is what happens in a row.
type Kind string

// The kinds of rows.
const (
	Backlog Kind = "backlog" // files that lie there before the contender is started
	Stream  Kind = "stream"  // files that come at a steady pace
	Burst   Kind = "burst"   // files that come as fast as their producer can rename
	Slow    Kind = "slow"    // files that are written in place, over a second
	Idle    Kind = "idle"    // no files
)

// Amount is how much of a row is measured.
type Amount struct {
	Files  int
	Rounds int // 0: the row is left out
}

// Row is a comparison.
type Row struct {
	Name        string
	Title       string
	Note        string // what has to be known of it; empty: nothing
	Kind        Kind
	Full, Quick Amount
	Size        int64 // of a file, in bytes
	Rate        int   // files in a second, of a stream
	Spools      int   // of a row that is idle
	Watched     [2]time.Duration
	Contenders  []trial.Contender
	Old         int // jobs in the journal of the contender "importerd-old"
}

// Amount returns how much is measured in the quick or the full form.
func (r Row) Amount(quick bool) Amount {
	if quick {
		return r.Quick
	}

	return r.Full
}

// Sizes of files.
const (
	small = 1 << 10
	large = 1 << 20
)

// group is how many files share a flush in the bare loop that flushes.
const group = 256

// Rows returns all rows in the order in which they are run.
func Rows() []Row {
	return append(append(backlogs(), arrivals()...), standing()...)
}

// contenders of a backlog with the handler that costs least.
func renaming() []trial.Contender {
	return []trial.Contender{
		trial.Worker(1, 16), trial.Bare(1, group), trial.BareAsk(2, group), trial.Bare(1, 0),
	}
}

func backlogs() []Row {
	return []Row{
		{
			Name: "backlog-worker", Title: "10,000 files wait, worker", Kind: Backlog,
			Full: Amount{10_000, 7}, Quick: Amount{10_000, 3}, Size: small, Contenders: renaming(),
		},
		{
			Name: "backlog-command", Title: "Files wait, `/bin/true` for each", Kind: Backlog,
			Full: Amount{2000, 7}, Quick: Amount{1000, 3}, Size: small,
			Contenders: []trial.Contender{
				trial.Command(2, trial.True), trial.BareCommand(2, trial.True), trial.Xargs(trial.True),
			},
		},
		{
			Name: "backlog-1k", Title: "1,000 files wait", Kind: Backlog,
			Full: Amount{1000, 5}, Quick: Amount{1000, 1}, Size: small,
			Contenders: append(renaming(), trial.Command(2, trial.True), trial.BareCommand(2, trial.True)),
		},
		{
			Name: "backlog-100k", Title: "100,000 files wait, worker", Kind: Backlog,
			Full: Amount{100_000, 2}, Size: small, Contenders: renaming(),
		},
		{
			Name: "backlog-1M", Title: "A million files wait, worker", Kind: Backlog,
			Full: Amount{1_000_000, 1}, Size: small,
			Contenders: []trial.Contender{trial.Worker(1, 16), trial.Bare(1, group)},
		},
		{
			Name: "backlog-large", Title: "Files of 1 MiB wait, worker", Kind: Backlog,
			Note: "They were flushed by their producer.",
			Full: Amount{1000, 3}, Quick: Amount{200, 1}, Size: large, Contenders: renaming(),
		},
		{
			Name: "backlog-queues", Title: "Files wait and are given to a queue, a command for each", Kind: Backlog,
			Note: "The command is one that notes the file. xargs, GNU parallel, task-spooler and nq move no files.",
			Full: Amount{400, 3}, Quick: Amount{100, 1}, Size: small,
			Contenders: append([]trial.Contender{trial.Command(2, trial.Stamp).Noting()}, trial.Queues()...),
		},
		{
			Name: "journal", Title: "The journal holds a million old jobs, or none", Kind: Backlog,
			Full: Amount{10_000, 7}, Quick: Amount{10_000, 3}, Size: small, Old: 1_000_000,
			Contenders: []trial.Contender{Old(), trial.Worker(1, 16)},
		},
	}
}

// Old is importerd with a journal that has grown.
func Old() trial.Contender {
	c := trial.Worker(1, 16)
	c.Name, c.Title = OldName, c.Title+", journal of a million jobs"

	return c
}

// OldName is the contender whose place has a journal that has grown.
const OldName = "importerd-old"

func arrivals() []Row {
	return []Row{
		{
			Name: "stream", Title: "500 files a second, worker", Kind: Stream, Rate: 500,
			Full: Amount{5000, 5}, Quick: Amount{1500, 2}, Size: small,
			Contenders: []trial.Contender{trial.Worker(1, 16), trial.BareAsk(2, 0), trial.Bare(1, 0)},
		},
		{
			Name: "stream-command", Title: "100 files a second, a command for each", Kind: Stream, Rate: 100,
			Full: Amount{500, 2}, Quick: Amount{200, 1}, Size: small, Contenders: commanding(),
		},
		{
			Name: "arrivals-command", Title: "Files come all at once, a command for each", Kind: Burst,
			Full: Amount{2000, 3}, Quick: Amount{500, 1}, Size: small, Contenders: commanding(),
		},
		{
			Name: "burst", Title: "50,000 files at once, worker", Kind: Burst,
			Note: "More than the kernel's queue of events holds.",
			Full: Amount{50_000, 3}, Quick: Amount{50_000, 1}, Size: small,
			Contenders: []trial.Contender{trial.Worker(1, 16), trial.BareAsk(2, 0), trial.Bare(1, 0)},
		},
		{
			Name: "slow", Title: "100 files are written in place, over a second", Kind: Slow,
			Note: "The wait counts from the close of the file.",
			Full: Amount{100, 2}, Quick: Amount{100, 1}, Size: small, Contenders: commanding(),
		},
	}
}

// commanding are the contenders that wait for files and run a command for each.
func commanding() []trial.Contender {
	return append([]trial.Contender{
		trial.Command(2, trial.Stamp).Noting(), trial.BareCommand(2, trial.Stamp).Noting(),
	}, trial.Daemons()...)
}

func standing() []Row {
	watched := [2]time.Duration{time.Minute, 10 * time.Second}

	return []Row{
		{
			Name: "idle", Title: "Idle, one spool", Kind: Idle, Spools: 1, Watched: watched,
			Full: Amount{0, 1}, Quick: Amount{0, 1},
		},
		{
			Name: "idle-64", Title: "Idle, 64 spools in one daemon", Kind: Idle, Spools: 64, Watched: watched,
			Full: Amount{0, 1}, Quick: Amount{0, 1},
		},
	}
}
