package process

import (
	"errors"
	"fmt"
	"io/fs"

	"importerd/internal/job"
)

// move publishes the unit's results, takes its file to where it belongs, and
// returns the folders to which something has come.
func (f *finisher) move(u *unit) ([]job.Folder, error) {
	if u.nothing {
		return nil, nil
	}

	name, folders, err := f.publish(u)
	if err != nil {
		return nil, err
	}

	if u.gone {
		u.rec.File = ""

		return folders, nil
	}

	to := u.rec.State.Folder()
	folders = append(folders, to)

	if u.moved {
		return folders, nil
	}

	moved, err := f.pool.deps.Folders.Move(job.Move{
		From: u.source(), File: u.rec.File, To: to, Name: name, ID: u.rec.ID,
	})

	switch {
	case errors.Is(err, fs.ErrNotExist) && u.from == job.ProcessingFolder:
		u.gone, u.nothing, u.rec.File = true, true, ""

		return nil, nil
	case errors.Is(err, fs.ErrNotExist) && u.undo != nil:
		u.rec, u.gone, u.undone = *u.undo, true, true
		u.rec.File, u.rec.Moving = "", nil

		return nil, nil
	case errors.Is(err, fs.ErrNotExist): // somebody has taken it away by hand
		u.vanish(fmt.Sprintf("vanished: the file is not in %s/ any more", u.source()))

		return folders, nil
	case err != nil:
		return nil, fmt.Errorf("finish: %w", err)
	}

	u.moved, u.rec.File = true, moved

	return folders, nil
}

// publish publishes the unit's results, if they wait for it. It returns the
// name that the file shall get, since done/ and results/ use one, and the
// folder that has changed.
func (f *finisher) publish(u *unit) (string, []job.Folder, error) {
	p := f.pool

	if u.results && u.rec.State != job.Done { // ended for good after all
		u.results = false

		if err := p.deps.Results.DropResults(u.rec.ID); err != nil {
			p.line(p.deps.Log.Warn(), &u.rec).Err(err).Msg("results not removed")
		}
	}

	if u.results {
		name := u.rec.Name
		if _, err := p.deps.Lister.Stat(job.DoneFolder, name); !errors.Is(err, fs.ErrNotExist) {
			name = job.WithID(name, u.rec.ID)
		}

		published, err := p.deps.Results.PublishResults(u.rec.ID, name)

		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, job.ErrNotRegular):
			if published = p.published(u.rec); published == "" { // taken away by hand after they were flushed
				p.line(p.deps.Log.Error(), &u.rec).Err(err).Msg("results lost")
			}
		case err != nil:
			return "", nil, fmt.Errorf("publish results: %w", err)
		}

		u.results, u.rec.Results = false, published
	}

	if u.rec.Results == "" {
		return u.rec.Name, nil, nil
	}

	return u.rec.Results, []job.Folder{job.ResultsFolder}, nil
}

// published returns the name under which an earlier daemon has published the
// results of a job; empty: there are none.
func (p *Pool) published(rec job.Record) string {
	for _, name := range []string{job.WithID(rec.Name, rec.ID), rec.Name} {
		if _, err := p.deps.Lister.Stat(job.ResultsFolder, name); errors.Is(err, job.ErrNotRegular) {
			return name
		}
	}

	return ""
}

// known returns those units of which it is known whether there is a file, and
// what the disk said of the others.
func (f *finisher) known(units []*unit) ([]*unit, error) {
	var trouble error

	known := make([]*unit, 0, len(units))

	for _, u := range units {
		if err := f.check(u); err != nil {
			trouble = err
		} else {
			known = append(known, u)
		}
	}

	return known, trouble
}

// check looks whether a dropping is still there and is a file. Nothing is told
// of one that is not: it was the handler's own, or is set aside.
func (f *finisher) check(u *unit) error {
	if u.from != job.ProcessingFolder || u.moved {
		return nil
	}

	found, err := f.pool.deps.Lister.Stat(job.ProcessingFolder, u.rec.File)

	switch {
	case errors.Is(err, job.ErrNotRegular):
		if err = f.pool.setAside(u.rec.File); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("finish: %w", err)
	default:
		u.see(found)

		return nil
	}

	u.gone, u.nothing, u.rec.File = true, true, ""

	return nil
}
