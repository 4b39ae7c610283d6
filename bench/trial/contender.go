// Package trial lets one contender handle files once, and measures it.
package trial

import (
	"path/filepath"
	"strconv"
	"time"
)

// Place is where a trial happens. The directories are the contender's alone.
type Place struct {
	Source string // directory of the project's sources
	Bin    string // directory with importerd, bare and handler
	Dir    string // the spool, with inbox below it
	Stamps string // what the handlers have noted
	Logs   string // directory for what the programs print
	Follow bool   // the contender has to wait for files that come

	Patience time.Duration // how long after the last file the others are given up; 0: 12 s

	Journal string   // a journal.db to begin with; empty: none
	Profile string   // where importerd writes profiles; empty: nowhere
	Under   []string // the command under which importerd is run, such as perf; empty: none
}

// Inbox is where files come.
func (p Place) Inbox() string { return filepath.Join(p.Dir, "inbox") }

// Done is where those go that move them.
func (p Place) Done() string { return filepath.Join(p.Dir, "done") }

// Program returns the path of one of our programs.
func (p Place) Program(name string) string { return filepath.Join(p.Bin, name) }

// Stamp is the command that notes which file it was given, and when.
func Stamp(p Place) []string { return []string{p.Program("handler"), "stamp", p.Stamps} }

// True is the command that does nothing.
func True(Place) []string { return []string{"/bin/true"} }

// Worker is the co-process that notes the same as Stamp.
func worker(p Place) []string { return []string{p.Program("handler"), "worker", p.Stamps} }

// Contender is one way to handle the files of a directory.
type Contender struct {
	Name  string        // short and unique
	Title string        // what it is, for people
	Needs []string      // programs that have to be installed, beside ours
	Root  bool          // it works only for root
	Lacks func() string // says what else is missing, empty: nothing; nil: it needs nothing else

	// Command returns the programs to be run, the first one's output going to the
	// second one, and so on.
	Command func(Place) ([][]string, error)
	Ends    bool // it ends when the inbox is empty, unless it has to follow
	Tells   bool // it tells by "job done" in its log when a file has been handled for good
	Moves   bool // it moves the files to done/
	Stamps  bool // what it runs notes each file
	Leaves  bool // it leaves processes behind, whose CPU time and memory nobody can tell
}

// Bare is the loop that only renames, with fsync of its directories per so many
// files, 0 for never. Where files come it notes them itself.
func Bare(workers, fsync int) Contender {
	c := Contender{
		Name: "bare", Title: "bare loop that only renames", Ends: true, Moves: true,
		Command: func(p Place) ([][]string, error) {
			args := bare(p, workers, fsync)
			if p.Follow {
				args = append(args, "-note", p.Stamps)
			}

			return [][]string{args}, nil
		},
	}

	if fsync > 0 {
		c.Name, c.Title = "bare-fsync", "bare loop, fsync of both directories per "+strconv.Itoa(fsync)
	}

	return c
}

// BareAsk is the same loop with a co-process for each worker, a line at a time.
func BareAsk(workers, fsync int) Contender {
	c := Contender{
		Name: "bare-ask", Title: "bare loop that asks " + strconv.Itoa(workers) + " co-processes", Ends: true, Moves: true,
		Stamps: true,
		Command: func(p Place) ([][]string, error) {
			args := append(bare(p, workers, fsync), "-ask", "--")

			return [][]string{append(args, worker(p)...)}, nil
		},
	}

	if fsync > 0 {
		c.Title += ", fsync per " + strconv.Itoa(fsync)
	}

	return c
}

// BareCommand is the same loop with a command per file.
func BareCommand(workers int, command func(Place) []string) Contender {
	return Contender{
		Name: "bare-command", Title: "bare loop with the same command, " + strconv.Itoa(workers) + " workers",
		Ends: true, Moves: true,
		Command: func(p Place) ([][]string, error) {
			args := append(bare(p, workers, 0), "--")

			return [][]string{append(args, command(p)...)}, nil
		},
	}
}

// Noting tells that what the contender runs notes each file.
func (c Contender) Noting() Contender {
	c.Stamps = true

	return c
}

func bare(p Place, workers, fsync int) []string {
	return []string{
		p.Program("bare"), "-dir", p.Dir, "-workers", strconv.Itoa(workers), "-fsync", strconv.Itoa(fsync),
		"-follow=" + strconv.FormatBool(p.Follow),
	}
}
