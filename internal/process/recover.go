package process

import (
	"context"
	"errors"
	"fmt"
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

	if err := p.recoverFolder(ctx, job.ProcessingFolder, p.recoverProcessing); err != nil {
		return err
	}

	if err := p.recoverFolder(ctx, job.DeferredFolder, p.recoverDeferred); err != nil {
		return err
	}

	if err := p.deps.Folders.Sync(job.ProcessingFolder, job.DeferredFolder); err != nil {
		return fmt.Errorf("recover: %w", err)
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

// recoverProcessing takes one file that was being processed to deferred/.
func (p *Pool) recoverProcessing(name string) error {
	f, err := p.deps.Lister.Stat(job.ProcessingFolder, name)
	if errors.Is(err, job.ErrNotRegular) {
		p.setAside(name)

		return nil
	} else if err != nil {
		return err
	}

	rec := p.recovered(f)
	rec.Interruptions = 1

	if p.hasOrphan(rec, job.ProcessingFolder) {
		return nil
	}

	rec.File, err = p.deps.Folders.Move(job.Move{
		From: job.ProcessingFolder, File: name, To: job.DeferredFolder, Name: name, ID: rec.ID,
	})
	if err != nil {
		return err
	}

	p.line(p.deps.Log.Info(), rec).Msg("job interrupted")

	return p.note(rec)
}

// recoverDeferred makes a job of one file in deferred/ that no job has yet.
func (p *Pool) recoverDeferred(name string) error {
	f, err := p.deps.Lister.Stat(job.DeferredFolder, name)
	if errors.Is(err, job.ErrNotRegular) {
		p.deps.Log.Warn().Str("file", job.Show(name)).Err(err).Msg("deferred/ holds something that is no job")

		return nil
	} else if err != nil {
		return err
	}

	if p.deps.Journal.UnderWay(name) { // from processing/, just now
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

	return nil
}

// hasOrphan says whether an old handler works on the file of rec, and then
// leaves the file to it.
func (p *Pool) hasOrphan(rec job.Record, folder job.Folder) bool {
	for _, o := range p.state.orphans {
		if o.handler.Name == rec.File {
			o.rec, o.folder = rec, folder

			return true
		}
	}

	return false
}

// checkOrphans sends the files of old handlers that are gone on, and kills
// those whose grace is over.
func (p *Pool) checkOrphans() {
	left := p.state.orphans[:0]

	for _, o := range p.state.orphans {
		if p.deps.Locks.HandlerGone(o.handler.Job) {
			p.release(o)

			continue
		}

		if !o.killed && time.Since(o.since) >= p.cfg.KillAfter {
			o.killed = true
			o.signal(syscall.SIGKILL)
		}

		left = append(left, o)
	}

	clear(p.state.orphans[len(left):])
	p.state.orphans = left
}

// release makes an ordinary job of a file whose old handler has ended.
func (p *Pool) release(o *orphan) {
	if o.rec.File == "" {
		return
	}

	p.deps.Log.Info().Str("file", job.Show(o.rec.Name)).Msg("old handler gone")

	if o.folder == job.DeferredFolder {
		if err := p.deps.Journal.Note(o.rec); err != nil {
			p.closeDisk(err)
		}

		return
	}

	u := &unit{rec: o.rec, inside: true, label: o.rec.File, verdict: job.Interrupted}
	p.state.names[u.rec.Name] = u
	p.finish(u)
}
