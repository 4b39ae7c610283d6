package process

import (
	"context"
	"time"

	"importerd/internal/job"
)

// Explain says why the pool passes over a file of the inbox; false: it does not.
func (p *Pool) Explain(ctx context.Context, name string) (job.Reason, bool) {
	reason, found := job.Reason{}, false

	p.ask(ctx, func() { reason, found = p.explain(name) })

	return reason, found
}

// explain is Explain within the loop.
func (p *Pool) explain(name string) (job.Reason, bool) {
	s := &p.state
	u := s.names[name]

	if held, ok := s.held[name]; ok {
		return job.Reason{Standing: job.Held, Text: held.why}, true
	}

	for _, o := range s.orphans {
		if o.rec.Name == name {
			return job.Reason{Standing: job.Held, Text: job.ErrHeld.Error()}, true
		}
	}

	switch {
	case u != nil && s.running[u.rec.ID] == nil && u.from == job.InboxFolder && !u.inside:
		return job.Reason{Standing: job.Ready, Text: job.ReasonReady}, true
	case u != nil || p.deps.Journal.UnderWay(name):
		return job.Reason{Standing: job.Ready, Text: job.ReasonUnderWay}, true
	case s.closed || s.broken.closed || s.disk.closed || p.trouble.Load() != nil:
		return job.Reason{Standing: job.Ready, Text: job.ReasonNotWatching, Until: p.untilNext(time.Now())}, true
	}

	return job.Reason{}, false
}
