package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
	"importerd/internal/journal"
)

// maxExplained is how many jobs of a name are told.
const maxExplained = 10

// idInName finds a job's id in the name of a file: it is there when the name was taken.
var idInName = regexp.MustCompile(
	`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// account is all that is known of one file, for machines. The jobs are those of its name: the
// one that the path means first, then the newest ones.
type account struct {
	Path  string `json:"path"`  // as it was given
	Found bool   `json:"found"` // something is known
	Dir   string `json:"dir,omitempty"`
	wire.Explanation
	Files     []string `json:"files,omitempty"`   // where files of the name lie
	Writers   []writer `json:"writers,omitempty"` // who has the one in the inbox open for writing
	Obstacles []string `json:"obstacles,omitempty"`
	// Obstacles are why the spool takes no file at the moment.
	Unasked   string   `json:"unasked,omitempty"`   // why the daemon was not asked; empty: it was
	Unread    string   `json:"unread,omitempty"`    // why jobs may be missing; empty: none is
	Spools    []string `json:"spools,omitempty"`    // not found: where it was looked for
	Elsewhere string   `json:"elsewhere,omitempty"` // not found: what is at the path, which is in no spool
}

// account gathers what is known of the target. After an error it is not complete.
func (t target) account(ctx context.Context, arg string) (account, error) {
	a := account{Path: job.Show(arg), Dir: job.Show(t.dir)}

	var err error
	if t.daemon != nil {
		err = t.ask(ctx, &a)
	} else {
		a.Unasked = t.why.Error()
		err = t.read(&a)
	}

	t.search(&a)
	t.putFirst(&a)

	if a.Reason == job.ReasonOpen {
		a.Writers = writersOf(filepath.Join(t.inbox(), t.name))
	}

	if err != nil {
		a.Unread = err.Error()
	}

	a.Found = a.Standing != "" || len(a.Jobs) > 0 || len(a.Files) > 0

	return a, err
}

// ask asks the daemon.
func (t target) ask(ctx context.Context, a *account) error {
	s := t.daemon.spool

	answer, err := t.daemon.Explain(ctx, s.Name, t.name)
	if err != nil {
		a.Spool = s.Name

		return fmt.Errorf("spool %s: %w", s.Name, err)
	}

	a.Explanation = answer
	a.Obstacles = obstacles(s)

	if answer.Reason == job.ReasonNotWatching && isGone(t.inbox(), t.name) { // nobody has looked
		a.Standing, a.Reason = "", job.ReasonGone
	}

	id, err := job.ParseID(idInName.FindString(t.name))
	if err != nil || slices.ContainsFunc(a.Jobs, func(j wire.Job) bool { return j.ID == id }) {
		return nil //nolint:nilerr // the name has no id in it
	}

	j, err := t.daemon.Job(ctx, id)

	switch {
	case err == nil && j.Spool == s.Name:
		a.Jobs = append([]wire.Job{j}, a.Jobs...)
	case err != nil && !client.IsCode(err, wire.CodeNotFound):
		return fmt.Errorf("spool %s: %w", s.Name, err)
	}

	return nil
}

// isGone says whether a directory that is there has no such file.
func isGone(dir, name string) bool {
	_, err := os.Stat(dir)
	_, gone := os.Lstat(filepath.Join(dir, name))

	return err == nil && errors.Is(gone, fs.ErrNotExist)
}

// obstacles says why a spool takes no file at the moment.
func obstacles(s wire.Spool) []string {
	var all []string

	for _, o := range []struct {
		is   bool
		text string
	}{
		{s.Paused, "the spool is paused: importerd resume --spool " + s.Name},
		{s.Draining, "the daemon is about to end"},
		{s.Degraded != "", "the spool is degraded: " + s.Degraded},
		{s.Broken != "", "the handler is broken: " + s.Broken},
		{s.Disk != "", "the disk refuses: " + s.Disk},
		{s.Workers > 0 && s.Running >= s.Workers, fmt.Sprintf("all workers (%d) are busy", s.Workers)},
	} {
		if o.is {
			all = append(all, job.Show(o.text))
		}
	}

	return all
}

// read reads the journal and looks at the inbox.
func (t target) read(a *account) error {
	a.Explanation = wire.ExplanationOf(t.place.name, t.name, job.Reason{})

	look := look{target: t}

	r, err := t.open()
	if err == nil && r != nil {
		defer r.Close() //nolint:errcheck // nothing was written through it

		a.Jobs, err = t.jobs(r)
		notes, _ := r.Notes() // it could be read a moment ago

		if look.husks = notes.Husks; notes.Paused {
			a.Obstacles = obstacles(wire.Spool{Name: a.Spool, Paused: true})
		}
	}

	look.underWay = slices.ContainsFunc(a.Jobs, func(j wire.Job) bool { return !j.State.Ended() })

	reason := look.reason()
	a.Standing, a.Reason = reason.Standing, reason.Text

	if err != nil {
		return fmt.Errorf("%w: %w", errUnread, err)
	}

	return nil
}

// jobs returns the jobs of the name, and of the id that is in it.
func (t target) jobs(r *journal.Reader) ([]wire.Job, error) {
	all := []wire.Job{}

	if id, err := job.ParseID(idInName.FindString(t.name)); err == nil {
		e, err := r.Get(id)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return all, err //nolint:wrapcheck // it names the journal
		}

		if err == nil {
			all = append(all, wire.JobOf(e.Record))
		}
	}

	list, err := r.List(journal.Query{Name: t.name, Limit: maxExplained})

	for _, e := range list {
		if len(all) == 0 || all[0].ID != e.ID {
			all = append(all, wire.JobOf(e.Record))
		}
	}

	return all, err //nolint:wrapcheck // it names the journal
}

// search looks for files of the name in all folders, whatever journal and daemon say.
func (t target) search(a *account) {
	paths := []string{filepath.Join(t.inbox(), t.name)}

	for _, folder := range []job.Folder{job.ProcessingFolder, job.DeferredFolder, job.DoneFolder, job.FailedFolder} {
		paths = append(paths, filepath.Join(t.dir, string(folder), t.name))
	}

	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			a.Files = append(a.Files, job.Show(path))
		}
	}
}

// putFirst puts the job first whose file the path means.
func (t target) putFirst(a *account) {
	i := slices.IndexFunc(a.Jobs, func(j wire.Job) bool {
		folder := t.folder
		if folder == job.ResultsFolder {
			return wire.NameOf(j.Results, j.ResultsB64) == t.name
		}

		if folder == job.ErrorsFolder {
			folder = job.FailedFolder
		}

		return folder == j.State.Folder() && wire.NameOf(j.File, j.FileB64) == t.name
	})
	if i > 0 {
		meant := a.Jobs[i]
		a.Jobs = slices.Insert(slices.Delete(a.Jobs, i, i+1), 0, meant)
	}
}

// elsewhere says what is at a path that is in no spool; empty: nothing.
func elsewhere(arg string) string {
	info, err := os.Lstat(arg)

	switch {
	case err != nil:
		return ""
	case info.IsDir():
		return "a directory"
	case !info.Mode().IsRegular():
		return job.ReasonNotRegular
	}

	return fmt.Sprintf("a file of %d bytes", info.Size())
}

// printUnseen says that nothing is known.
func (a account) printUnseen(out io.Writer) {
	fmt.Fprintf(out, "%s: never seen\n", a.Path)

	if a.Elsewhere != "" {
		fmt.Fprintf(out, "there is %s at this path, which is in no spool\n", a.Elsewhere)
	}

	if len(a.Spools) > 0 {
		fmt.Fprintf(out, "no file and no job of this name is in: %s\n", strings.Join(a.Spools, ", "))
	}

	if a.Unasked != "" {
		fmt.Fprintf(out, "the daemon was not asked: %s\n", a.Unasked)
	}
}
