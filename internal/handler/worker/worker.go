package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"importerd/internal/handler/command"
	"importerd/internal/job"
)

// worker is one process, from the moment that it is wanted until it was buried. What is
// not said otherwise is guarded by the mu of its handler.
type worker struct {
	h      *Handler
	id     job.ID // of its lock; never changed
	number int    // of its log; never changed
	cancel context.CancelFunc
	ears   lines // of the goroutine that reads

	pid       int // 0: not started yet
	calls     map[job.ID]*call
	reads     bool        // it has read something
	exclusive bool        // it has a call that must be alone
	buried    bool        // its end was noted
	closing   bool        // it is given no call any more
	asked     bool        // it was asked to end
	blamed    bool        // that, because a call was not given up
	leave     *time.Timer // until it is asked to go; nil: it need not go
	doubt     *time.Timer // until what it has not read goes to others; nil: it can read
	line      outgoing    // to its standard input
	since     time.Time   // when it was wanted
}

// hire starts a worker. mu is held.
func (h *Handler) hire() *worker {
	ctx, cancel := context.WithCancel(h.fleet.ctx)
	w := &worker{
		h: h, id: job.NewID(), number: h.fleet.number(), cancel: cancel, calls: map[job.ID]*call{},
		line: newOutgoing(), since: time.Now(),
	}
	h.workers = append(h.workers, w)
	h.fleet.runs.Go(func() { w.live(ctx) })

	return w
}

// live is the whole life of a worker.
func (w *worker) live(ctx context.Context) {
	defer w.cancel()

	f := w.h.fleet

	lock, err := f.opts.Locks.LockWorker(w.id)
	if err != nil {
		exit := job.Exit{Code: -1, Err: &endError{err.Error(), errPassing}, RetryAfter: lockPause}
		w.bury(exit, nil) //nolint:contextcheck // workers outlive who asks for them

		return
	}

	log := &worklog{path: f.opts.LogPath(w.number)}

	exit := w.h.cfg.Service.Run(ctx, command.Engagement{
		ID: w.id, Stdin: w.line.open, Lock: lock, Kill: f.opts.Kill,
		Started: func(pid int) {
			log.title = fmt.Sprintf("worker with pid %d", pid)
			w.started(pid, lock)
		},
		Output: log.write, Answer: w.hear, Mute: w.mute,
	})

	w.line.stop()
	log.close()
	w.bury(exit, lock) //nolint:contextcheck // workers outlive who asks for them
}

// started notes the process.
func (w *worker) started(pid int, lock *os.File) {
	f := w.h.fleet

	err := f.opts.Locks.NoteProcess(lock, pid)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // one that has ended already needs no note
		f.opts.Log.Warn().Int("pid", pid).Err(err).Msg("process not noted")
	}

	f.opts.Log.Debug().Int("pid", pid).Msg("worker started")
	f.count(1, false)

	w.h.mu.Lock()
	w.pid = pid
	w.h.mu.Unlock()

	w.line.start(w.deaf)
}

// give gives the worker a call. mu is held.
func (w *worker) give(c *call) {
	c.worker, c.began = w, time.Now()
	w.exclusive = c.alone
	w.calls[c.task.Job.ID] = c
	c.start = w.say(func(b []byte) []byte { return appendRequest(b, c.task) })

	if c.task.Started != nil {
		c.task.Started(w.pid)
	}
}

// say adds to what the worker is said, and returns where it begins.
func (w *worker) say(add func([]byte) []byte) int64 { return w.line.add(add) }

// hear takes what came on descriptor 3.
func (w *worker) hear(b []byte) {
	w.h.mu.Lock()
	defer w.h.unlock()

	w.ears.take(b, w.understand)
	w.rest()
	w.h.dispatch()
}

// understand takes one line. mu is held.
func (w *worker) understand(line []byte, tooLong bool) {
	a, err := answer{}, error(nil)

	if tooLong {
		err = fmt.Errorf("the line has more than %d bytes", maxLine)
	} else {
		a, err = parseAnswer(line)
	}

	c := w.calls[a.job]
	if err == nil && c == nil {
		err = errNothing
	}

	if err != nil {
		w.h.fleet.complain(w.pid, line, err)

		return
	}

	if a.progress != nil || a.checkpoint != nil {
		c.report(&a)
	}

	if !a.ended {
		return
	}

	delete(w.calls, a.job)
	w.exclusive, w.reads = false, true

	if c.alone {
		w.h.fleet.clear(a.job)
	}

	exit := job.Exit{Code: a.exit, RetryAfter: a.retryAfter}
	if a.reason != "" {
		exit.Tail = command.Printable([]byte(a.reason))
	}

	c.finish(end{exit: exit})
}

// rest lets a worker go that has nothing to do and is to go. mu is held.
func (w *worker) rest() {
	if (w.h.retired || w.closing) && len(w.calls) == 0 {
		w.goodbye()
	}
}

// goodbye ends the worker's input. If it does not go in time it is asked to. mu is held.
func (w *worker) goodbye() {
	if w.leave == nil {
		w.asked = true
	}

	w.shun()
	w.line.end()
}

// shun gives the worker no call any more, and its grace to end by itself. mu is held.
func (w *worker) shun() {
	w.closing = true

	if w.leave == nil {
		w.leave = time.AfterFunc(w.h.cfg.KillAfter, w.cancel)
	}
}

// end asks the worker to end at once. mu is held.
func (w *worker) end() {
	w.closing, w.asked = true, true
	w.cancel()
}

// mute is called when the worker cannot answer any more. If it lives on it is of no
// use: it gets its grace to go by itself. Its input stays open, so that it can be known
// what it has read.
func (w *worker) mute() {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()

	w.shun()
	w.rest()
}

// deaf is called when the worker has closed its input: what it has not read it will not.
// Most likely it is just ending; if not, others get that soon.
func (w *worker) deaf() {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()

	w.closing = true

	if !w.buried {
		w.doubt = time.AfterFunc(deafGrace, w.giveBack)
	}
}

// giveBack gives what a deaf worker has not read to others.
func (w *worker) giveBack() {
	w.h.mu.Lock()
	defer w.h.unlock()

	if w.buried {
		return
	}

	unread, sure := w.line.left()
	if !sure {
		w.doubt.Reset(deafGrace)

		return
	}

	taken, waiting := w.split(unread)
	for _, c := range waiting {
		delete(w.calls, c.task.Job.ID)
		c.finish(w.untouched(job.Exit{Code: -1}, len(taken)+len(waiting) > 1, errDeaf))
	}

	w.rest()
}

// split returns the calls that the worker has begun to read, and the others, both in
// the order in which it was given them. mu is held.
func (w *worker) split(unread int64) (taken, waiting []*call) {
	read := w.line.written() - unread
	w.reads = w.reads || read > 0

	for _, c := range w.calls {
		if c.start < read {
			taken = append(taken, c)
		} else {
			waiting = append(waiting, c)
		}
	}

	for _, calls := range [][]*call{taken, waiting} {
		slices.SortFunc(calls, func(a, b *call) int { return cmp.Compare(a.start, b.start) })
	}

	return taken, waiting
}
