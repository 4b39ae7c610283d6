package process

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
	"time"

	"importerd/internal/job"
)

// orphan is a handler of an earlier daemon that still lives, with the file it
// works on. A worker may have been at work on any job that was under way: it is an
// orphan for each of them, and one without a job.
type orphan struct {
	handler job.OldHandler
	rec     job.Record // its file where there is one; File is empty where not
	folder  job.Folder // where the file lies
	since   time.Time
	killed  time.Time // zero: not yet
}

// findOrphans asks handlers that outlived their daemon to end. Their exit
// status is lost; their jobs wait until they are gone.
func (p *Pool) findOrphans() error {
	old, err := p.deps.Locks.OldHandlers()
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}

	p.state.orphans = nil

	ids := make([]job.ID, 0, len(old))

	for _, h := range old {
		o := &orphan{handler: h, since: time.Now()}
		o.rec.Name = h.Name
		p.state.orphans = append(p.state.orphans, o)
		ids = append(ids, h.Job)

		if h.Worker {
			p.deps.Log.Warn().Int("pid", h.Process()).Msg("old worker lives, the files that were under way are held")
		} else {
			p.deps.Log.Warn().Str("file", job.Show(h.Name)).Int("pid", h.Process()).Msg("old handler lives, its file is held")
		}
	}

	if len(ids) > 0 {
		// What is stopped is woken with the request pending.
		p.deps.Locks.SignalHandlers(ids, syscall.SIGTERM, syscall.SIGCONT)
	}

	return nil
}

// haunts says whether an old handler works on the file of rec, which lies at,
// and then leaves the file to it. A fresh journal knows the file by another job:
// then its name must do. A file that is to be moved on is left to it too: the
// handler may still write it.
func (r *recovery) haunts(rec job.Record, at place) bool {
	for _, o := range r.state.orphans {
		if o.handler.Worker && o.rec.File == "" && at.folder == job.ProcessingFolder && rec.State == job.Processing {
			rec.File = at.name
			r.state.orphans = append(r.state.orphans, o.on(rec, at.folder))

			return true
		}

		if o.rec.File != "" || at.folder == job.InboxFolder || at.name == "" {
			continue
		}

		if o.handler.Job == rec.ID || r.past.Fresh && o.handler.Name == at.name {
			rec.File = at.name
			o.rec, o.folder = rec, at.folder

			return true
		}
	}

	return false
}

// on returns the old worker as one that works on a job.
func (o *orphan) on(rec job.Record, folder job.Folder) *orphan {
	return &orphan{handler: o.handler, rec: rec, folder: folder, since: o.since, killed: o.killed}
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

// hopes says whether an old handler that works on a file is about to end. One
// that outlives SIGKILL was not found, or is stuck in the kernel: nobody knows
// when it ends.
func (p *Pool) hopes() bool {
	return slices.ContainsFunc(p.state.orphans, func(o *orphan) bool {
		return o.rec.File != "" && (o.killed.IsZero() || time.Since(o.killed) < orphanHope)
	})
}

// overdue returns the old handlers whose grace is over. They are killed again and
// again: one may have started another process as it was looked for.
func (p *Pool) overdue() []job.ID {
	var ids []job.ID

	for _, o := range p.state.orphans {
		if time.Since(o.since) < p.cfg().KillAfter {
			continue
		}

		if o.killed.IsZero() {
			o.killed = time.Now()
		}

		ids = append(ids, o.handler.Job)
	}

	slices.SortFunc(ids, func(a, b job.ID) int { return bytes.Compare(a[:], b[:]) })

	return slices.Compact(ids)
}

// kill kills those of the overdue that are not gone. It belongs to look.
func (p *Pool) kill(v *survey) {
	left := slices.DeleteFunc(v.overdue, func(id job.ID) bool { return slices.Contains(v.gone, id) })
	if len(left) > 0 {
		p.deps.Locks.SignalHandlers(left, syscall.SIGKILL)
	}
}

// checkOrphans sends the files of old handlers that are gone on.
func (p *Pool) checkOrphans(gone []job.ID) {
	s := &p.state
	all := s.orphans
	s.orphans = slices.DeleteFunc(slices.Clone(all), func(o *orphan) bool {
		return slices.Contains(gone, o.handler.Job)
	})

	for _, o := range all {
		if o.rec.File != "" && !slices.Contains(s.orphans, o) {
			p.relieve(o)
		}
	}
}

// relieve goes on with a job whose old handler has ended, unless a second one
// still works on its file.
func (p *Pool) relieve(o *orphan) {
	for _, other := range p.state.orphans {
		if other.handler.Worker && o.handler.Worker {
			p.state.orphans = append(p.state.orphans, other.on(o.rec, o.folder))

			return
		}

		if other.handler.Name == o.handler.Name {
			other.rec, other.folder = o.rec, o.folder

			return
		}
	}

	p.deps.Log.Info().Str("file", job.Show(o.rec.Name)).Msg("old handler gone")

	if u := resume(o.rec, place{o.folder, o.rec.File}, p.cfg()); u != nil {
		u.label = o.rec.File
		p.state.names[u.rec.Name] = u
		p.finish(u)

		return
	}

	p.deps.LoopPulse.Waiting()
	defer p.deps.LoopPulse.Back()

	if err := p.deps.Journal.Note(o.rec); err != nil {
		p.doubt(err)
		p.state.orphans = append(p.state.orphans, o)
	}
}
