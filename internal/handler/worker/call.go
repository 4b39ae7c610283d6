package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// reportPause is how long after one report of a job the next is told at the earliest.
const reportPause = 100 * time.Millisecond

// call is one attempt on its way to a worker and back.
type call struct {
	h       *Handler
	sink    handler.Sink
	attempt *handler.Attempt
	task    *handler.Task // of attempt
	stop    func() bool   // ends that giveUp is called when the context is done

	telling sync.Mutex // held while a report is told; taken before the mu of the handler

	// guarded by the mu of the handler
	alone      bool        // no other job may be on its worker
	worker     *worker     // nil: it waits
	over       bool        // its end is known
	asked      bool        // its worker was asked to give it up
	start      int64       // where its line begins in all that its worker was said
	began      time.Time   // when it was given to its worker
	grace      *time.Timer // until its worker is ended, which was asked to give it up; nil: it was not
	pause      *time.Timer // until what is reported is told; nil: nothing waits
	told       time.Time   // when it was last told something
	reports    bool        // its worker has reported something
	progress   *float64    // not yet told
	checkpoint *string     // not yet told
}

// end is what has become of a call.
type end struct {
	exit  job.Exit
	again bool // nothing: no worker has seen it
	// shared is with again: others were before it, so that its time, if over, was theirs
	shared bool
}

// ending is a call with its end.
type ending struct {
	*call
	end

	reported bool // something may not have been told yet
}

// finish ends a call. What follows is done by unlock. The handler's mu is held.
func (c *call) finish(e end) {
	if c.over {
		return
	}

	c.over = true

	if c.grace != nil {
		c.grace.Stop()
	}

	if c.h.ended == nil {
		c.h.ended = make([]ending, 0, c.h.cfg.Inflight)
	}

	c.h.ended = append(c.h.ended, ending{c, e, c.reports})
}

// report notes what a worker reports. The handler's mu is held.
func (c *call) report(a *answer) {
	c.reports = true

	if a.progress != nil {
		c.progress = a.progress
	}

	if a.checkpoint != nil {
		c.checkpoint = a.checkpoint
	}

	if c.pause == nil {
		c.pause = time.AfterFunc(max(reportPause-time.Since(c.told), 0), c.tell)
	}
}

// tell tells the caller what was reported.
func (c *call) tell() {
	c.telling.Lock()
	defer c.telling.Unlock()

	c.h.mu.Lock()
	progress, checkpoint := c.progress, c.checkpoint
	c.progress, c.checkpoint, c.pause, c.told = nil, nil, nil, time.Now()
	c.h.mu.Unlock()

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

// outcome says how the attempt has ended; false: it was given to another worker.
func (c *call) outcome(e end) (job.Exit, bool) {
	if !e.again {
		return c.conclude(e.exit), true
	}

	if c.h.place(c) {
		return job.Exit{}, false
	}

	cause := context.Cause(c.attempt.Context)
	if e.shared && errors.Is(cause, handler.ErrTimeout) {
		return c.conclude(job.Exit{Code: -1, RetryAfter: togetherPause, Err: errNotRead}), true
	}

	return job.Exit{Code: -1, Err: cause}, true
}

// conclude makes the exit of an attempt what the caller is to see.
func (c *call) conclude(exit job.Exit) job.Exit {
	if !c.began.IsZero() {
		exit.Took = time.Since(c.began)
	}

	if exit.Err == nil && len(exit.Tail) == 0 {
		return exit
	}

	died, ok := errors.AsType[*endError](exit.Err)

	switch {
	case ok && !errors.Is(died, handler.ErrShared) && errors.Is(context.Cause(c.attempt.Context), handler.ErrTimeout):
		exit.Err = nil // it was ended for that
	case ok:
		addReason(c.task.Log, c.task.Job.Attempt, died.text)
	case exit.Err == nil:
		addReason(c.task.Log, c.task.Job.Attempt, string(exit.Tail))
	}

	return exit
}
