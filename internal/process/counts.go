package process

import (
	"time"

	"importerd/internal/job"
)

// Counts is how a pool stands at one moment. What has ended is counted since the
// start.
type Counts struct {
	Running     int // paused ones too
	Committing  int // ended, not yet written
	Queued      int // taken over from the watcher, not yet started
	Deferred    int
	Paused      int // frozen, or paused in deferred/
	Done        int
	Failed      int
	Terminated  int
	Interrupted int
	DoneBytes   int64     // size of the files that are done
	LastError   string    // of the last job that has failed; empty: none has
	LastFailed  job.ID    // which it is
	LastFailure time.Time // when it failed
	Held        int       // files that the disk refused, and old handlers that live
	HeldName    string    // of one of these; empty: none is
	HeldWhy     string    // why that one is
	Later       int       // jobs deferred at the handler's own wish, since the start
	Oldest      time.Time // start of the attempt that runs longest; zero: none runs
	Broken      string    // why the handler cannot work; empty: it can
	Disk        string    // what the disk refuses; empty: nothing
}

// Counts returns how the pool stands. It may be called at any time.
func (p *Pool) Counts() Counts { return *p.counts.Load() }

// publish makes the present counts known.
func (p *Pool) publish() {
	s := &p.state
	c := s.tally
	c.Running = len(s.running)
	c.Committing = s.finishing + len(s.unfinished)
	c.Queued = len(s.fresh) + len(s.flushing) + len(s.flushed) + s.queued()
	if !s.taking {
		c.Queued += len(s.claiming)
	}
	c.Deferred = p.deps.Index.Waiting(job.Deferred)
	c.Paused = p.deps.Index.Waiting(job.Paused)
	c.Held = len(s.held) + len(s.orphans)
	c.HeldName, c.HeldWhy = s.heldExample(p.counts.Load().HeldName)

	for _, u := range s.running {
		if started := u.started; c.Oldest.IsZero() || started.Before(c.Oldest) {
			c.Oldest = started
		}
	}

	if s.broken.closed {
		c.Broken = s.broken.why
	}

	if text := p.trouble.Load(); text != nil {
		c.Disk = *text
	} else if s.disk.closed {
		c.Disk = s.disk.why
	}

	p.counts.Store(&c)
}

// heldExample returns one of the files that are held, and why: the one of before
// if it still is.
func (s *state) heldExample(before string) (string, string) {
	if f, still := s.held[before]; still {
		return before, f.why
	}

	for name, f := range s.held {
		return name, f.why
	}

	for _, o := range s.orphans {
		return o.handler.Name, job.ErrHeld.Error()
	}

	return "", ""
}

// count adds a finished unit.
func (c *Counts) count(u *unit) {
	switch u.verdict {
	case job.Interrupted:
		c.Interrupted++
	case job.Later:
		c.Later++
	case "", job.Succeeded, job.Refused, job.Rejected, job.Broken, job.Ended:
	}

	switch u.rec.State {
	case job.Done:
		c.Done++
		c.DoneBytes += u.rec.Size
	case job.Failed:
		c.Failed++
		c.LastError, c.LastFailed, c.LastFailure = u.rec.Error, u.rec.ID, u.rec.FinishedAt
	case job.Terminated:
		c.Terminated++
	case job.Deferred, job.Processing, job.Committing, job.Paused:
	}
}
