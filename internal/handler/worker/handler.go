package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"importerd/internal/handler"
	"importerd/internal/handler/command"
	"importerd/internal/job"
)

// reportPause is how long after one report of a job the next is told at the earliest.
const reportPause = 100 * time.Millisecond

// Config is how the workers of a Handler are. It is not changed afterwards.
type Config struct {
	Service   *command.Service
	Workers   int           // processes
	Inflight  int           // jobs at a time on each
	KillAfter time.Duration // from a request to end to the next, sterner one
}

// Handler gives jobs to the workers of one configuration. They are started as they are
// needed.
type Handler struct {
	fleet *Fleet
	cfg   Config

	mu      sync.Mutex // taken before that of the fleet
	workers []*worker  // guarded by mu; until they were buried
	queue   []*call    // guarded by mu; wait for a worker, the first come first
	retired bool       // guarded by mu; workers go when they have no jobs
}

// Handler returns a handler of the fleet.
func (f *Fleet) Handler(c Config) *Handler {
	h := &Handler{fleet: f, cfg: c}

	f.mu.Lock()
	defer f.mu.Unlock()

	f.handlers = append(f.handlers, h)

	return h
}

// Run has a worker do one attempt; see handler.Handler. How a worker's end concerns the
// job is in the Exit: as that of a command where the worker cannot work, otherwise with
// handler.ErrDied where the job alone can be the cause, and with handler.ErrShared where
// another may be.
func (h *Handler) Run(ctx context.Context, task handler.Task) job.Exit {
	if err := h.fleet.haunted(task.Job.ID); err != nil {
		return job.Exit{Code: -1, Err: err}
	}

	c := &call{task: &task, ended: make(chan end, 1)}

	for ctx.Err() == nil {
		c.alone = h.fleet.isSuspect(task.Job.ID)
		h.place(c) //nolint:contextcheck // workers outlive who asks for them

		e := h.await(ctx, c)
		switch {
		case !e.again:
			return h.conclude(ctx, c, e.exit)
		case e.shared && errors.Is(context.Cause(ctx), handler.ErrTimeout):
			exit := job.Exit{Code: -1, RetryAfter: togetherPause, Err: errNotRead}

			return h.conclude(ctx, c, exit)
		}
	}

	return job.Exit{Code: -1, Err: context.Cause(ctx)}
}

// conclude makes the exit of an attempt what the caller is to see.
func (h *Handler) conclude(ctx context.Context, c *call, exit job.Exit) job.Exit {
	if !c.began.IsZero() {
		exit.Took = time.Since(c.began)
	}

	died, ok := errors.AsType[*endError](exit.Err)

	switch {
	case ok && !errors.Is(died, handler.ErrShared) && errors.Is(context.Cause(ctx), handler.ErrTimeout):
		exit.Err = nil // it was ended for that
	case ok:
		addReason(c.task.Log, c.task.Job.Attempt, died.text)
	case exit.Err == nil:
		addReason(c.task.Log, c.task.Job.Attempt, string(exit.Tail))
	}

	return exit
}

// await waits for what becomes of a call, delivers what is reported meanwhile, and
// makes the worker give it up when ctx is done.
func (h *Handler) await(ctx context.Context, c *call) end {
	var pause, grace <-chan time.Time

	asked, news := ctx.Done(), h.news(c)

	for {
		select {
		case e := <-c.ended:
			h.deliver(c)

			return e
		case <-news:
			h.deliver(c)

			news, pause = nil, time.After(reportPause)
		case <-pause:
			news, pause = h.news(c), nil
		case <-asked:
			asked = nil

			//nolint:contextcheck // workers outlive who asks for them
			if h.giveUp(c, context.Cause(ctx)) {
				grace = time.After(h.cfg.KillAfter)
			}
		case <-grace:
			grace = nil

			h.end(c)
		}
	}
}

// giveUp asks for the end of a call, and says whether the worker has a grace for it.
func (h *Handler) giveUp(c *call, cause error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	w := c.worker

	switch {
	case c.over:
	case w == nil: // it waits for its turn
		h.queue = slices.DeleteFunc(h.queue, func(other *call) bool { return other == c })
		c.finish(end{again: true, shared: true})
		h.dispatch() // those behind it may have waited for it alone
	case errors.Is(cause, handler.ErrTimeout), errors.Is(cause, handler.ErrTerminate):
		c.asked = true
		w.say(func(b []byte) []byte { return appendCancel(b, c.task.Job.ID) })

		return true
	default: // all are to end
		w.end()
	}

	return false
}

// end asks the worker that has a call to end.
func (h *Handler) end(c *call) {
	h.mu.Lock()
	defer h.mu.Unlock()

	if !c.over && c.worker != nil {
		c.worker.blamed = true
		c.worker.end()
	}
}

// place gives a call to a worker, or lets it wait for one.
func (h *Handler) place(c *call) {
	h.mu.Lock()
	defer h.mu.Unlock()

	c.worker, c.over, c.asked = nil, false, false
	h.queue = append(h.queue, c)
	h.dispatch()
}

// dispatch gives those who wait to workers, strictly in their order: so whoever needs a
// worker alone gets one. mu is held.
func (h *Handler) dispatch() {
	for len(h.queue) > 0 {
		c := h.queue[0]

		w := h.pick(c.alone)
		if w == nil {
			return
		}

		h.queue = slices.Delete(h.queue, 0, 1)
		w.give(c)
	}
}

// pick returns the worker that has least to do, a new one rather than one that is at
// work; nil: none has room. mu is held.
func (h *Handler) pick(alone bool) *worker {
	var best *worker

	for _, w := range h.workers {
		free := !w.closing && !w.exclusive && len(w.calls) < h.cfg.Inflight
		if free && (!alone || len(w.calls) == 0) && (best == nil || len(w.calls) < len(best.calls)) {
			best = w
		}
	}

	if (best == nil || len(best.calls) > 0) && len(h.workers) < h.cfg.Workers {
		best = h.hire()
	}

	return best
}

// retire has the workers go when they have no jobs any more, and says whether none is
// left since an earlier call.
func (h *Handler) retire() bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	gone := h.retired && len(h.workers) == 0 && len(h.queue) == 0
	h.retired = true

	for _, w := range h.workers {
		w.rest()
	}

	return gone
}

// endAll asks all workers to end.
func (h *Handler) endAll() {
	h.mu.Lock()
	defer h.mu.Unlock()

	for _, w := range h.workers {
		w.end()
	}
}
