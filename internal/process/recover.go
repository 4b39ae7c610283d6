package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"importerd/internal/job"
)

// orphan is a handler of an earlier daemon that still lives, with the file it
// works on.
type orphan struct {
	handler job.OldHandler
	rec     job.Record // its file where there is one; File is empty where not
	folder  job.Folder // where the file lies
	since   time.Time
	killed  bool
}

// Recover finds what an earlier daemon has left and makes jobs of it: what was
// being processed was interrupted, what was deferred is due. It moves files and
// must have ended before Run. It may be killed and repeated.
func (p *Pool) Recover(ctx context.Context) error {
	if err := p.findOrphans(); err != nil {
		return err
	}

	var interrupted []job.Record

	if err := p.recoverFolder(ctx, job.ProcessingFolder, func(name string) error {
		rec, err := p.recoverProcessing(name)
		if rec != nil {
			interrupted = append(interrupted, *rec)
		}

		return err
	}); err != nil {
		return err
	}

	if err := p.recoverFolder(ctx, job.DeferredFolder, p.recoverDeferred); err != nil {
		return err
	}

	if err := p.deps.Folders.Sync(job.ProcessingFolder, job.DeferredFolder); err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	for _, rec := range interrupted {
		p.line(p.deps.Log.Info(), rec).Msg("job interrupted")
	}

	return nil
}

// findOrphans asks handlers that outlived their daemon to end. Their exit
// status is lost; their jobs wait until they are gone.
func (p *Pool) findOrphans() error {
	old, err := p.deps.Locks.OldHandlers()
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	p.state.orphans = nil

	for _, h := range old {
		o := &orphan{handler: h, since: time.Now()}
		o.rec.Name = h.Name
		p.state.orphans = append(p.state.orphans, o)
		o.signal(syscall.SIGCONT)
		o.signal(syscall.SIGTERM)
		p.deps.Log.Warn().Str("file", job.Show(h.Name)).Int("pid", h.PID).Msg("old handler lives, its file is held")
	}

	return nil
}

// signal sends to the process group of the old handler if that is still known
// to be the one.
func (o *orphan) signal(sig syscall.Signal) {
	if o.handler.Alive && o.handler.PID > 1 {
		_ = syscall.Kill(-o.handler.PID, sig) // gone already is as good
	}
}

// recoverFolder calls f for each name in a folder.
func (p *Pool) recoverFolder(ctx context.Context, folder job.Folder, f func(name string) error) error {
	for name, err := range p.deps.Lister.Names(folder) {
		if err == nil {
			err = ctx.Err()
		}

		if err == nil {
			err = f(name)
		}

		if err != nil {
			return fmt.Errorf("recover %s/%s: %w", folder, job.Show(name), err)
		}
	}

	return nil
}

// recoverProcessing takes one file that was being processed to deferred/ and
// returns its job; nil: there is none, or an old handler has it.
func (p *Pool) recoverProcessing(name string) (*job.Record, error) {
	f, err := p.deps.Lister.Stat(job.ProcessingFolder, name)
	if errors.Is(err, job.ErrNotRegular) {
		return nil, unlessGone(p.setAside(name))
	} else if err != nil {
		return nil, unlessGone(err)
	}

	rec := p.recovered(f)
	rec.Interruptions = 1

	if p.hasOrphan(rec, job.ProcessingFolder) {
		return nil, nil //nolint:nilnil // not yet
	}

	rec.File, err = p.deps.Folders.Move(job.Move{
		From: job.ProcessingFolder, File: name, To: job.DeferredFolder, Name: name, ID: rec.ID,
	})
	if err != nil {
		return nil, unlessGone(err)
	}

	return &rec, p.note(rec)
}

// unlessGone is err, but nil for a file that somebody has taken away: an old
// handler that ends may tidy up.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return err
}

// recoverDeferred makes a job of one file in deferred/ that no job has yet.
func (p *Pool) recoverDeferred(name string) error {
	f, err := p.deps.Lister.Stat(job.DeferredFolder, name)
	if errors.Is(err, job.ErrNotRegular) {
		p.deps.Log.Warn().Str("file", job.Show(name)).Err(err).Msg("deferred/ holds something that is no job")

		return nil
	} else if err != nil {
		return unlessGone(err)
	}

	if _, known := p.state.recovered[name]; known { // from processing/, just now
		return nil
	}

	rec := p.recovered(f)
	if p.hasOrphan(rec, job.DeferredFolder) {
		return nil
	}

	return p.note(rec)
}

// recovered returns the record of a job for a file that was found.
func (p *Pool) recovered(f job.File) job.Record {
	rec := newUnit(p.cfg.Spool, job.DeferredFolder, f).rec
	rec.State, rec.DueAt = job.Deferred, rec.CreatedAt

	return rec
}

// note records a recovered job.
func (p *Pool) note(rec job.Record) error {
	if err := p.deps.Journal.Note(rec); err != nil {
		return fmt.Errorf("note job: %w", err)
	}

	if p.state.recovered != nil {
		p.state.recovered[rec.File] = struct{}{}
	}

	return nil
}

// hasOrphan says whether an old handler works on the file of rec, and then
// leaves the file to it.
func (p *Pool) hasOrphan(rec job.Record, folder job.Folder) bool {
	for _, o := range p.state.orphans {
		if o.handler.Name == rec.File && o.rec.File == "" {
			o.rec, o.folder = rec, folder

			return true
		}
	}

	return false
}

// orphanOf returns the old handler that works on the job of that name; nil:
// there is none.
func (p *Pool) orphanOf(name string) *orphan {
	for _, o := range p.state.orphans {
		if o.rec.File != "" && o.rec.Name == name {
			return o
		}
	}

	return nil
}

// haunted says whether an old handler still works on a file.
func (p *Pool) haunted() bool {
	return slices.ContainsFunc(p.state.orphans, func(o *orphan) bool { return o.rec.File != "" })
}

// checkOrphans sends the files of old handlers that are gone on, and kills
// those whose grace is over.
func (p *Pool) checkOrphans(gone []job.ID) {
	s := &p.state
	all := s.orphans
	s.orphans = slices.DeleteFunc(slices.Clone(all), func(o *orphan) bool {
		return slices.Contains(gone, o.handler.Job)
	})

	for _, o := range s.orphans {
		if !o.killed && time.Since(o.since) >= p.cfg.KillAfter {
			o.killed = true
			o.signal(syscall.SIGKILL)
		}
	}

	for _, o := range all {
		if o.rec.File != "" && !slices.Contains(s.orphans, o) {
			p.release(o)
		}
	}
}

// release makes an ordinary job of a file whose old handler has ended, unless
// a second one still works on it.
func (p *Pool) release(o *orphan) {
	for _, other := range p.state.orphans {
		if other.handler.Name == o.handler.Name {
			other.rec, other.folder = o.rec, o.folder

			return
		}
	}

	p.deps.Log.Info().Str("file", job.Show(o.rec.Name)).Msg("old handler gone")

	if o.folder == job.DeferredFolder {
		if err := p.note(o.rec); err != nil {
			p.closeDisk(err)
			p.state.orphans = append(p.state.orphans, o)
		}

		return
	}

	u := &unit{rec: o.rec, inside: true, label: o.rec.File, verdict: job.Interrupted}
	p.state.names[u.rec.Name] = u
	p.finish(u)
}
