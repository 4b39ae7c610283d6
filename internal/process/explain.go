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

	if why := p.heldWhy(name); why != "" {
		return job.Reason{Standing: job.Held, Text: why}, true
	}

	switch {
	case u != nil && s.running[u.rec.ID] == nil && u.from == job.InboxFolder && u.serial == 0:
		return job.Reason{Standing: job.Ready, Text: job.ReasonReady}, true
	case u != nil || p.deps.Index.UnderWay(name):
		return job.Reason{Standing: job.Ready, Text: job.ReasonUnderWay}, true
	case p.paused.Load():
		return job.Reason{Standing: job.Ready, Text: job.ErrPaused.Error()}, true
	case s.closed || p.shut():
		return job.Reason{Standing: job.Ready, Text: job.ReasonNotWatching, Until: p.state.nextTry(time.Now())}, true
	}

	return job.Reason{}, false
}

// heldWhy says why a file is held; empty: it is not.
func (p *Pool) heldWhy(name string) string {
	if held, ok := p.state.held[name]; ok {
		return held.why
	}

	if p.orphanOf(name) != nil {
		return job.ErrHeld.Error()
	}

	return ""
}
