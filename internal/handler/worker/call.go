package worker

import (
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// call is one attempt on its way to a worker and back.
type call struct {
	task  *handler.Task
	ended chan end // whoever has the end sends, Run receives; holds one; never closed

	// guarded by the mu of the handler
	alone      bool      // no other job may be on its worker
	worker     *worker   // nil: it waits
	over       bool      // its end was sent
	asked      bool      // its worker was asked to give it up
	start      int64     // where its line begins in all that its worker was said
	began      time.Time // when it was given to its worker
	news       chan struct{}
	progress   *float64 // not yet delivered
	checkpoint *string  // not yet delivered
}

// end is what has become of a call.
type end struct {
	exit  job.Exit
	again bool // nothing: no worker has seen it
	// shared is with again: others were before it, so that its time, if over, was theirs
	shared bool
}

// finish sends the end of a call. The handler's mu is held.
func (c *call) finish(e end) {
	if !c.over {
		c.over = true
		c.ended <- e
	}
}

// report notes what a worker reports. The handler's mu is held.
func (c *call) report(a *answer) {
	if a.progress != nil {
		c.progress = a.progress
	}

	if a.checkpoint != nil {
		c.checkpoint = a.checkpoint
	}

	select {
	case c.news <- struct{}{}:
	default:
	}
}

// news returns what is sent to when there is something to deliver.
func (h *Handler) news(c *call) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()

	if c.news == nil {
		c.news = make(chan struct{}, 1)
	}

	return c.news
}

// deliver tells the caller what is new.
func (h *Handler) deliver(c *call) {
	h.mu.Lock()
	progress, checkpoint := c.progress, c.checkpoint
	c.progress, c.checkpoint = nil, nil
	h.mu.Unlock()

	if c.task.Report == nil {
		return
	}

	if checkpoint != nil {
		c.task.Report(handler.Report{Checkpoint: checkpoint})
	}

	if progress != nil {
		c.task.Report(handler.Report{Progress: progress})
	}
}
