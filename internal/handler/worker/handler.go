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
	ended   []ending   // guarded by mu; to be given back by unlock
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
	back := make(alone, 1)
	a := &handler.Attempt{Context: ctx, Task: task}

	h.Start(back, []*handler.Attempt{a}) //nolint:contextcheck // workers outlive who asks for them
	<-back

	return a.Exit
}

// alone takes the attempt of a Run back. Start sends, Run receives; it holds one and is
// never closed.
type alone chan struct{}

// Ended takes it.
func (a alone) Ended([]*handler.Attempt) { a <- struct{}{} }

// Start has workers do attempts; see handler.Starter and Run. They are said all of them
// at once.
func (h *Handler) Start(s handler.Sink, attempts []*handler.Attempt) {
	calls := make([]call, len(attempts))

	h.mu.Lock()
	defer h.unlock()

	for i, a := range attempts {
		c := &calls[i]
		c.h, c.sink, c.attempt, c.task = h, s, a, &a.Task

		switch err := h.fleet.haunted(a.Task.Job.ID); {
		case err != nil:
			c.finish(end{exit: job.Exit{Code: -1, Err: err}})
		case a.Context.Err() != nil:
			c.finish(end{again: true})
		default:
			c.stop = context.AfterFunc(a.Context, func() { h.giveUp(c) })
			h.enqueue(c)
		}
	}

	h.dispatch()
}

// unlock lets go of mu: what workers are to be said is written, and what has ended is
// given back.
func (h *Handler) unlock() {
	ended := h.ended
	h.ended = nil

	for _, w := range h.workers {
		w.line.flush()
	}

	h.mu.Unlock()

	for len(ended) > 0 {
		n := 1
		for n < len(ended) && ended[n].sink == ended[0].sink {
			n++
		}

		giveBack(ended[:n])
		ended = ended[n:]
	}
}

// giveBack gives attempts back to whoever has begun them.
func giveBack(ended []ending) {
	attempts := make([]*handler.Attempt, 0, len(ended))

	for i := range ended {
		e := &ended[i]

		exit, over := e.outcome(e.end)
		if !over {
			continue
		}

		if e.stop != nil {
			e.stop()
		}

		if e.reported {
			e.tell() // and waits for what is just being told: nothing comes afterwards
		}

		e.attempt.Exit = exit
		attempts = append(attempts, e.attempt)
	}

	if len(attempts) > 0 {
		ended[0].sink.Ended(attempts)
	}
}

// giveUp asks for the end of a call: its context is done.
func (h *Handler) giveUp(c *call) {
	h.mu.Lock()
	defer h.unlock()

	cause := context.Cause(c.attempt.Context)

	switch {
	case c.over:
	case c.worker == nil: // it waits for its turn
		h.queue = slices.DeleteFunc(h.queue, func(other *call) bool { return other == c })
		c.finish(end{again: true, shared: true})
		h.dispatch() // those behind it may have waited for it alone
	case errors.Is(cause, handler.ErrTimeout), errors.Is(cause, handler.ErrTerminate):
		c.asked = true
		c.worker.say(func(b []byte) []byte { return appendCancel(b, c.task.Job.ID) })
		c.grace = time.AfterFunc(h.cfg.KillAfter, func() { h.end(c) })
	default: // all are to end
		c.worker.end()
	}
}

// end asks the worker that has a call to end.
func (h *Handler) end(c *call) {
	h.mu.Lock()
	defer h.unlock()

	if !c.over && c.worker != nil {
		c.worker.blamed = true
		c.worker.end()
	}
}

// place gives a call to another worker; false: it is not wanted any more.
func (h *Handler) place(c *call) bool {
	h.mu.Lock()
	defer h.unlock()

	if c.attempt.Context.Err() != nil { // giveUp may have come already
		return false
	}

	h.enqueue(c)
	h.dispatch()

	return true
}

// enqueue lets a call wait for a worker. mu is held.
func (h *Handler) enqueue(c *call) {
	c.worker, c.over, c.asked, c.grace = nil, false, false, nil
	c.alone = h.fleet.isSuspect(c.task.Job.ID)
	h.queue = append(h.queue, c)
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
