package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"importerd/internal/job"
)

const (
	// suspectAt is how often the daemon may die while it handles a file before
	// the file is given up: it may be the cause.
	suspectAt = 10
	// recoverAtOnce is how many jobs recovery brings to their end together.
	recoverAtOnce = 256
)

// Recover goes on where an earlier daemon has left: first with each job that
// the journal knows to be unfinished, wherever its file lies, then with files
// that no job knows. It must have ended before Run. It may be killed and
// repeated.
func (p *Pool) Recover(ctx context.Context, past Past) error {
	if err := p.findOrphans(); err != nil {
		return err
	}

	if err := p.cutDue(); err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	r := &recovery{Pool: p, past: past, known: map[place]struct{}{}, finish: newFinisher(p, func() {})}

	for rec, err := range p.deps.Index.Unfinished() {
		if err == nil {
			err = ctx.Err()
		}

		if err == nil {
			err = r.job(rec)
		}

		if err != nil {
			return fmt.Errorf("recover job %s: %w", rec.ID, err)
		}
	}

	if err := r.files(ctx); err != nil {
		return err
	}

	if err := r.settle(); err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	if err := p.deps.Journal.MarkStarted(); err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	return nil
}

// recovery is one run of Recover.
type recovery struct {
	*Pool

	past    Past
	known   map[place]struct{} // files of jobs
	pending []*unit            // to be moved, and told of
	finish  *finisher
}

// place is where a file lies.
type place struct {
	folder job.Folder
	name   string
}

// job goes on with one job of the journal.
func (r *recovery) job(rec job.Record) error {
	at, f, err := r.find(&rec)
	if err != nil {
		return err
	}

	r.known[at] = struct{}{}

	switch {
	case r.haunts(rec, at):
		return nil
	case at.folder != job.InboxFolder:
		return r.add(resume(rec, at, r.cfg))
	case rec.StartedAt.IsZero(): // never came to be; the watcher finds its file
		return r.deps.Journal.Drop(rec.ID)
	}

	// A power cut has undone the claim.
	if _, err := r.deps.Intake.Claim(f); err != nil {
		return err
	}

	at = place{job.ProcessingFolder, f.Name}
	r.known[at] = struct{}{}

	return r.add(resume(rec, at, r.cfg))
}

// resume returns the unit with which a job goes on whose file lies at, nil: it
// waits in deferred/ as it should.
func resume(rec job.Record, at place, cfg Config) *unit {
	u := &unit{rec: rec, from: job.DeferredFolder}
	u.rec.File = at.name

	switch {
	case rec.State == job.Deferred && rec.Moving == nil && at.folder == job.DeferredFolder:
		return nil
	case rec.State == job.Processing || rec.State == job.Deferred && rec.Moving == nil:
		interrupt(u, at, cfg)
	default: // its outcome is known
		u.verdict = job.Refused
		u.results = cfg.Results && rec.State == job.Done
	}

	u.moved = at.folder == u.rec.State.Folder()

	if at.folder == "" {
		u.vanish("vanished: the file is in none of the folders")
	}

	return u
}

// interrupt defers a job that was in processing/, or on its way to or from there.
func interrupt(u *unit, at place, cfg Config) {
	running := u.rec.State == job.Processing && u.rec.Moving == nil && !u.rec.StartedAt.IsZero() && u.rec.Exit == nil
	now := time.Now()
	u.rec.State, u.rec.Moving, u.rec.DueAt = job.Deferred, nil, now

	if running && at.folder == job.ProcessingFolder {
		u.verdict = job.Interrupted
		u.rec = crashed(u.rec, cfg.Backoff, now)
	}
}

// crashed returns the record of a job whose attempt was ended by the death of the
// daemon. The first time it is due at once, then later and later, since the
// file itself may be the cause.
func crashed(rec job.Record, backoff Backoff, now time.Time) job.Record {
	rec.Attempt--
	rec.Interruptions++
	rec.Crashes++

	if rec.Crashes > 1 {
		rec.DueAt = now.Add(backoff.Wait(rec.Crashes - 1))
	}

	if rec.Crashes >= suspectAt {
		rec.State, rec.FinishedAt = job.Failed, now
		rec.Error = fmt.Sprintf("suspect: the daemon has died %d times while the file was handled", rec.Crashes)
	}

	return rec
}

// find looks for the file of a job: where it was last, where it was going, and
// in the inbox. The zero place: it is nowhere.
func (r *recovery) find(rec *job.Record) (place, job.File, error) {
	for _, c := range candidates(rec) {
		f, err := r.deps.Lister.Stat(c.folder, c.name)

		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, job.ErrNotRegular):
		case err != nil:
			return place{}, f, err
		case !c.sure && !isTheOne(rec.Seen, f, c.folder):
		default:
			return c.place, f, nil
		}
	}

	return place{}, job.File{}, nil
}

// candidate is a place where the file of a job may lie. sure: nobody else's can
// lie there under that name.
type candidate struct {
	place
	sure bool
}

// candidates returns the places for the file of a job, in the order in which to
// look. Where it comes from is first: while it lies there it has not moved.
func candidates(rec *job.Record) []candidate {
	var all []candidate

	if m := rec.Moving; m != nil {
		all = append(all, candidate{place{m.From, m.File}, m.From != job.InboxFolder},
			candidate{place{m.To, job.WithID(m.Name, m.ID)}, true},
			candidate{place{m.To, m.Name}, m.To == job.ProcessingFolder || m.To == job.DeferredFolder})
	} else if rec.File != "" {
		all = append(all, candidate{place{rec.State.Folder(), rec.File}, true})
	}

	switch rec.State {
	case job.Processing: // a power cut may have undone the claim, or that it was fetched
		all = append(all, candidate{place{job.DeferredFolder, rec.File}, false},
			candidate{place{job.InboxFolder, rec.Name}, false})
	case job.Deferred:
		all = append(all, candidate{place{job.ProcessingFolder, rec.File}, false})
	case job.Committing, job.Paused, job.Done, job.Failed, job.Terminated:
	}

	return all
}

// isTheOne says whether f is the file that was last seen as seen. In the inbox,
// where others put files, it must be the very inode.
func isTheOne(seen, f job.File, folder job.Folder) bool {
	alike := seen.Size == f.Size && seen.Mtime.Equal(f.Mtime)

	if folder == job.InboxFolder || seen.Dev == f.Dev {
		return alike && seen.Same(f) && seen.Btime.Equal(f.Btime)
	}

	return alike // a copied spool: inodes are others
}

// add brings a job to its end together with others.
func (r *recovery) add(u *unit) error {
	if u == nil {
		return nil
	}

	r.pending = append(r.pending, u)

	if len(r.pending) < recoverAtOnce {
		return nil
	}

	return r.settle()
}

// settle brings all that is pending to its end.
func (r *recovery) settle() error {
	f := r.finish

	ended, err := f.write(r.pending)
	if err != nil {
		return err
	}

	for _, u := range ended {
		r.tell(u)

		if !u.owed {
			u.rec.Moving = nil
		}

		r.known[place{u.rec.State.Folder(), u.rec.File}] = struct{}{}
	}

	r.pending = nil

	if len(ended) == 0 {
		return nil
	}

	if err := r.deps.Journal.Note(records(ended)...); err != nil {
		return err
	}

	r.report(ended)

	return nil
}

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

	return r.add(resume(rec, at, r.cfg))
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
	rec := newUnit(r.cfg.Spool, job.DeferredFolder, f).rec
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
