package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"importerd/internal/control/wire"
	"importerd/internal/job"
	"importerd/internal/journal"
)

// countAtOnce is how many names of a folder are read at a time.
const countAtOnce = 4096

// stillSpool is a spool as its folders and its journal tell, without the daemon.
type stillSpool struct {
	Name       string            `json:"name"`
	Dir        string            `json:"dir"`
	PID        int               `json:"pid,omitempty"` // of a daemon that seems to have it
	Folders    []stillFolder     `json:"folders"`
	Jobs       map[job.State]int `json:"jobs,omitempty"` // in the journal
	Last       *wire.Job         `json:"last,omitempty"` // the job recorded last
	LastFailed *wire.Job         `json:"last_failed,omitempty"`
	Error      string            `json:"error,omitempty"` // why something could not be read
}

// stillFolder is one folder of a spool.
type stillFolder struct {
	Folder job.Folder `json:"folder"`
	Files  int        `json:"files"`
	Error  string     `json:"error,omitempty"` // why not all could be counted
}

// stillOf reads what there is of a spool.
func stillOf(p place) stillSpool {
	s := stillSpool{Name: p.name, Dir: p.dir, PID: holder(p), Folders: []stillFolder{}}
	if err := p.check(); err != nil {
		s.Error = err.Error()

		return s
	}

	for _, folder := range []job.Folder{
		job.InboxFolder, job.ProcessingFolder, job.DeferredFolder, job.DoneFolder, job.FailedFolder,
	} {
		path := filepath.Join(p.dir, string(folder))
		if folder == job.InboxFolder && p.rules != nil {
			path = p.rules.InboxDir()
		}

		f := stillFolder{Folder: folder}

		var err error

		f.Files, err = countFiles(path)

		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.Error = "not there"
		case err != nil:
			f.Error = err.Error()
		}

		s.Folders = append(s.Folders, f)
	}

	if err := s.readJournal(p); err != nil {
		s.Error = err.Error()
	}

	return s
}

// readJournal reads how many jobs there are and what came last.
func (s *stillSpool) readJournal(p place) error {
	r, err := p.open()
	if err != nil || r == nil {
		return err
	}
	defer r.Close() //nolint:errcheck // nothing was written through it

	if s.Jobs, err = r.Tally(); err != nil {
		return err //nolint:wrapcheck // names the journal
	}

	if s.Last, err = newestOf(r, ""); err == nil {
		s.LastFailed, err = newestOf(r, job.Failed)
	}

	return err
}

// newestOf returns the job recorded last, of a state or of all; nil: there is none.
func newestOf(r *journal.Reader, state job.State) (*wire.Job, error) {
	list, err := r.List(journal.Query{State: state, Limit: 1})
	if err != nil || len(list) == 0 {
		return nil, err //nolint:wrapcheck // names the journal
	}

	j := wire.JobOf(list[0].Record)

	return &j, nil
}

// countFiles counts what is in a directory, but for hidden names. It keeps no names.
func countFiles(path string) (int, error) {
	dir, err := os.Open(path)
	if err != nil {
		return 0, err //nolint:wrapcheck // names the path
	}
	defer dir.Close()

	for n := 0; ; {
		names, err := dir.Readdirnames(countAtOnce)
		for _, name := range names {
			if !strings.HasPrefix(name, ".") {
				n++
			}
		}

		if errors.Is(err, io.EOF) {
			return n, nil
		}

		if err != nil {
			return n, err //nolint:wrapcheck // names the path
		}
	}
}

// holder returns the process that has written that it holds the spool, if there is
// such a process; 0: there is none. It may be another one of that number.
func holder(p place) int {
	text, err := os.ReadFile(p.own("pid"))
	if err != nil {
		return 0
	}

	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 || errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return 0
	}

	return pid
}

// printStill shows what is known of the spools without the daemon.
func (s screen) printStill(all []stillSpool) {
	s.text(bold, "The daemon cannot be reached. What folders and journals tell:")

	for _, one := range all {
		s.blank()
		s.title(one.Name, red, "not reachable")
		s.row(plain, "dir", one.Dir)

		if one.PID != 0 {
			s.row(yellow, "process",
				fmt.Sprintf("%d seems to be its daemon, but does not listen where it was looked for", one.PID))
		}

		s.row(red, "trouble", one.Error)

		for _, f := range one.Folders {
			s.row(plain, string(f.Folder), folderText(f))
		}

		s.row(plain, "recorded", tallyText(one.Jobs))
		s.lastJob(plain, "last came", one.Last)

		if one.LastFailed != nil && one.LastFailed.ID != one.Last.ID {
			s.lastJob(yellow, "last failed", one.LastFailed)
		}
	}
}

// folderText says how much is in a folder.
func folderText(f stillFolder) string {
	if f.Error != "" {
		return f.Error
	}

	return plural(f.Files, "file")
}

// tallyText says how many jobs the journal has in each state; empty: none.
func tallyText(tally map[job.State]int) string {
	var parts []string

	for _, state := range allStates() {
		if n := tally[job.State(state)]; n > 0 {
			parts = append(parts, number(n)+" "+state)
		}
	}

	return strings.Join(parts, ", ")
}

// lastJob tells of one job; nil: there is none.
func (s screen) lastJob(c colour, label string, j *wire.Job) {
	if j == nil {
		return
	}

	text := fmt.Sprintf("%s %s", j.Name, j.State)
	if j.FinishedAt.IsZero() {
		text += ", came " + since(j.CreatedAt, s.now) + " ago"
	} else {
		text += " " + since(j.FinishedAt, s.now) + " ago"
	}

	if j.Error != "" {
		text += ": " + j.Error
	}

	s.row(c, label, text+" (importerd show "+shortID(j.ID)+")")
}
