package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"importerd/internal/job"
)

// files makes jobs of files that no job knows.
func (r *recovery) files(ctx context.Context) error {
	if err := r.folder(ctx, job.ProcessingFolder, r.unknown); err != nil {
		return err
	}

	return r.folder(ctx, job.DeferredFolder, r.foundling)
}

// folder calls f for each file in a folder that no job has.
func (r *recovery) folder(ctx context.Context, folder job.Folder, f func(name string) error) error {
	for name, err := range r.deps.Lister.Names(folder) {
		if err == nil {
			err = ctx.Err()
		}

		if _, known := r.known[place{folder, name}]; err == nil && !known {
			err = f(name)
		}

		if err != nil {
			return fmt.Errorf("recover %s/%s: %w", folder, job.Show(name), err)
		}
	}

	return nil
}

// unknown deals with a file in processing/ that no job knows. If the journal may
// have lost its job it was interrupted. Otherwise a handler has left it: that is
// upkeep's business.
func (r *recovery) unknown(name string) error {
	f, err := r.deps.Lister.Stat(job.ProcessingFolder, name)
	if errors.Is(err, job.ErrNotRegular) {
		return unlessGone(r.setAside(name))
	} else if err != nil {
		return unlessGone(err)
	}

	if !r.past.Fresh && !r.past.Cut {
		return nil
	}

	rec, at := r.found(f), place{job.ProcessingFolder, name}
	rec.State, rec.Attempt, rec.StartedAt = job.Processing, 1, rec.CreatedAt

	if r.haunts(rec, at) {
		return nil
	}

	return r.add(resume(rec, at, r.cfg()))
}

// foundling makes a job of a file in deferred/ that no job knows.
func (r *recovery) foundling(name string) error {
	f, err := r.deps.Lister.Stat(job.DeferredFolder, name)
	if errors.Is(err, job.ErrNotRegular) {
		r.deps.Log.Warn().Str("file", job.Show(name)).Err(err).Msg("deferred/ holds something that is no job")

		return nil
	} else if err != nil {
		return unlessGone(err)
	}

	rec := r.found(f)
	if r.haunts(rec, place{job.DeferredFolder, name}) {
		return nil
	}

	return r.deps.Journal.Note(rec)
}

// found returns the record of a new job for a file that was found.
func (r *recovery) found(f job.File) job.Record {
	rec := newUnit(r.cfg().Spool, job.DeferredFolder, f).rec
	rec.State, rec.DueAt, rec.Seen = job.Deferred, rec.CreatedAt, f

	return rec
}

// unlessGone is err, but nil for a file that somebody has taken away: an old
// handler that ends may tidy up.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return err
}
