package keep

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"importerd/internal/job"
)

// ended removes jobs that ended long enough ago, state by state.
func (k *Keeper) ended(ctx context.Context) error {
	for _, s := range []struct {
		state job.State
		keep  time.Duration
	}{{job.Done, k.cfg.Done}, {job.Failed, k.cfg.Failed}, {job.Terminated, k.cfg.Failed}} {
		if s.keep == 0 {
			continue
		}

		stuck := map[job.ID]bool{}

		for more := true; more && len(stuck) < maxStuck; {
			now, err := k.now(ctx)
			if err != nil {
				return err
			}

			err = k.disk(ctx, func() (err error) {
				more, err = k.batch(ctx, s.state, now.Add(-s.keep), stuck)

				return err
			})
			if err != nil {
				return err
			}
		}
	}

	return nil
}

// batch removes some of the jobs in a state that ended before a time, and says
// whether there may be more. stuck are those that cannot be removed.
func (k *Keeper) batch(ctx context.Context, state job.State, before time.Time, stuck map[job.ID]bool) (bool, error) {
	recs, err := k.deps.History.Ended(state, before, batch+len(stuck))
	if err != nil {
		return false, err
	}

	b := removal{Keeper: k, folder: state.Folder(), before: before}

	for _, rec := range recs {
		if !stuck[rec.ID] && len(b.targets) < batch {
			b.targets = append(b.targets, target{Record: rec})
		}
	}

	if len(b.targets) == 0 {
		return false, nil
	}

	b.look()

	if err := b.compare(state); err != nil {
		return false, err
	}

	ids, err := b.remove(ctx)
	if err != nil {
		return false, err
	}

	for i := range b.targets {
		if t := &b.targets[i]; t.err != nil {
			stuck[t.ID] = true
			k.stick(t.Name, t.err)
		}
	}

	return true, k.forget(state.Folder(), ids)
}

// forget removes the records of jobs whose files are gone. First that is made
// durable: a file that came back after a power cut would be nobody's.
func (k *Keeper) forget(folder job.Folder, ids []job.ID) error {
	if len(ids) == 0 {
		return nil
	}

	folders := []job.Folder{folder, job.ResultsFolder}
	if folder == job.FailedFolder {
		folders = append(folders, job.ErrorsFolder)
	}

	if err := k.deps.Folders.Sync(folders...); err != nil {
		return err
	}

	if err := k.deps.History.Remove(ids...); err != nil {
		return err
	}

	k.round.jobs += len(ids)

	return nil
}

// target is one job to be removed.
type target struct {
	job.Record

	file    *job.File // in its folder, and the one that the record knows; nil: there is none
	results *job.File // what lies in results/ under its name; nil: nothing does
	taken   bool      // something else has the name of its file
	err     error     // why it cannot be removed
}

// removal is the removal of some jobs whose files lie in one folder.
type removal struct {
	*Keeper

	folder  job.Folder
	before  time.Time
	targets []target
}

// look finds what there is to remove.
func (b *removal) look() {
	for i := range b.targets {
		t := &b.targets[i]

		if t.File != "" {
			t.err = b.lookFile(t)
		}

		if t.Results != "" && t.err == nil {
			t.results, t.err = b.lookResults(t.Results)
		}
	}
}

func (b *removal) lookFile(t *target) error {
	f, err := b.deps.Folders.Stat(b.folder, t.File)

	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, job.ErrNotRegular):
		t.taken = true
	case err != nil:
		return err
	case isTheOne(t.Seen, f):
		t.file = &f
	default:
		t.taken = true
	}

	return nil
}

func (b *removal) lookResults(name string) (*job.File, error) {
	f, err := b.deps.Folders.Stat(job.ResultsFolder, name)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // there are none
	case errors.Is(err, job.ErrNotRegular): // a directory, as far as one can tell here
		return &f, nil
	}

	return &f, err
}

// isTheOne says whether f is the file that was last seen as seen. On another
// device, which a copied spool has, inodes are others.
func isTheOne(seen, f job.File) bool {
	if seen.Dev == f.Dev {
		return seen.Untouched(f) && seen.Btime.Equal(f.Btime)
	}

	return seen.Size == f.Size && seen.Mtime.Equal(f.Mtime)
}

// compare takes from the targets what belongs to a younger job: a person has
// moved the file back to the inbox, and it was handled again. That is to be
// asked only where the ctime, which every rename sets, is so young: any other
// owner has ended before that time as well.
func (b *removal) compare(state job.State) error {
	names := map[string]bool{}

	for i := range b.targets {
		for _, f := range []*job.File{b.targets[i].file, b.targets[i].results} {
			if f != nil && !f.Ctime.Before(b.before) {
				names[f.Name] = true
			}
		}
	}

	if len(names) == 0 {
		return nil
	}

	states := []job.State{state}
	if state != job.Done { // they share a folder
		states = []job.State{job.Failed, job.Terminated}
	}

	for _, state := range states {
		for rec, err := range b.deps.History.Later(state, b.before, names) {
			if err != nil {
				return err
			}

			b.spare(rec)
		}
	}

	return nil
}

// spare leaves the job rec what is its own.
func (b *removal) spare(rec job.Record) {
	file := rec.File
	if rec.Moving != nil {
		file = rec.Moving.Name
	}

	for i := range b.targets {
		t := &b.targets[i]
		if t.ID == rec.ID {
			continue
		}

		if t.file != nil && (t.file.Name == file || t.file.Name == rec.File) {
			t.file, t.taken = nil, true
		}

		if t.results != nil && t.results.Name == rec.Results {
			t.results = nil
		}
	}
}

// remove removes the targets and returns which of them are gone. It stops when
// ctx is done.
func (b *removal) remove(ctx context.Context) ([]job.ID, error) {
	var ids []job.ID

	for i := range b.targets {
		t := &b.targets[i]

		if ctx.Err() != nil {
			return nil, errStop
		}

		if t.err == nil {
			t.err = b.removeOne(ctx, t)
		}

		if t.err == nil {
			ids = append(ids, t.ID)
		}

		if t.taken {
			b.round.left++
		}
	}

	return ids, nil
}

// removeOne removes all of a job but its record.
func (b *removal) removeOne(ctx context.Context, t *target) error {
	if t.file != nil {
		err := b.deps.Folders.RemoveFile(b.folder, *t.file)
		t.taken = isOther(err)

		if err := unlessGone(err); err != nil {
			return err
		}
	}

	if t.Results != "" {
		var results job.File
		if t.results != nil {
			results = *t.results
		}

		if err := unlessGone(b.deps.Folders.RemoveResults(ctx, t.ID, results)); err != nil {
			return err
		}
	}

	if b.folder == job.FailedFolder && !t.taken {
		name := t.File
		if name == "" {
			name = job.WithID(t.Name, t.ID)
		}

		if err := unlessGone(b.deps.Folders.RemoveNote(name)); err != nil {
			return err
		}
	}

	return unlessGone(b.deps.Logs.RemoveLog(t.ID))
}

// isOther says whether something else has the name of what was to be removed.
func isOther(err error) bool {
	return errors.Is(err, job.ErrOther) || errors.Is(err, job.ErrNotRegular)
}

// unlessGone is err, but nil for what is gone already, or is something else by
// now and left alone.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || isOther(err) {
		return nil
	}

	return err
}
