package worker

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

const (
	// lockPause is how long a job waits where the lock of a worker could not be taken.
	lockPause = 2 * time.Second
	// togetherPause is how long one waits whose worker died with others.
	togetherPause = time.Millisecond
	// deafGrace is how long after the end of its input a worker may take to end.
	deafGrace = time.Second
	// errPassing makes an end one after which the job is tried later.
	errPassing = syscall.EAGAIN
)

// errNotRead is why a job that timed out has used no attempt.
var errNotRead = &endError{"timed out before a worker had read it", handler.ErrShared}

// errDeaf is why a worker cannot work.
var errDeaf = errors.New("the worker closed its standard input before it read a job")

// bury forgets a worker that has ended so, and says what becomes of its jobs.
func (w *worker) bury(exit job.Exit, lock *os.File) {
	h := w.h
	f := h.fleet

	h.mu.Lock()

	if len(w.ears.part) > 0 && !w.ears.long { // the last line may lack its end
		w.understand(w.ears.part, false)
	}

	w.closing, w.buried = true, true

	for _, timer := range []*time.Timer{w.leave, w.doubt} {
		if timer != nil {
			timer.Stop()
		}
	}

	taken, waiting := w.split(w.line.unread())
	asked := w.asked
	h.mu.Unlock()

	if lock != nil {
		f.unlock(w.id, lock, ids(taken))
	}

	f.release(w.number)
	w.report(exit, len(taken), asked)

	h.mu.Lock()
	defer h.unlock()

	h.workers = slices.DeleteFunc(h.workers, func(other *worker) bool { return other == w })

	for _, c := range taken {
		c.finish(w.fate(c, exit, taken))
	}

	for _, c := range waiting {
		c.finish(w.untouched(exit, len(taken)+len(waiting) > 1, w.stillborn(exit)))
	}

	h.dispatch()
}

// report tells the log and the counts.
func (w *worker) report(exit job.Exit, jobs int, asked bool) {
	if w.pid == 0 {
		return
	}

	f := w.h.fleet
	f.count(-1, !asked)

	e := f.opts.Log.Warn()
	if asked || jobs == 0 && exit.Code == 0 {
		e = f.opts.Log.Debug()
	}

	e.Int("pid", w.pid).Str("ended", describe(exit)).Int("jobs", jobs).Dur("took", time.Since(w.since)).Msg("worker ended")
}

// fate says what the end of the worker means for a job that it had begun to read, one
// of those taken.
func (w *worker) fate(c *call, exit job.Exit, taken []*call) end {
	next := job.Exit{Code: -1, Signal: exit.Signal, OOM: exit.OOM, Tail: exit.Tail}

	switch {
	case !w.asked && isBroken(exit.Code):
		next.Code = exit.Code
	case w.isCause(c, taken):
		next.Err = &endError{"the worker ended before it answered: " + describe(exit), handler.ErrDied}
	default:
		w.h.fleet.suspect(c.task.Job.ID)
		next.RetryAfter = togetherPause
		next.Err = &endError{
			fmt.Sprintf("the worker ended with %d jobs, this one runs next alone: %s", len(w.calls), describe(exit)),
			handler.ErrShared,
		}
	}

	return end{exit: next}
}

// isCause says whether one of the calls taken, and no other, is why the worker has ended:
// it had no other, or was ended for this one, whose time was over. One that does its jobs
// one after the other lets the time of all run out that are behind the one that hangs:
// of several, nobody knows which it was.
func (w *worker) isCause(c *call, taken []*call) bool {
	if !w.blamed {
		return len(taken) == 1
	}

	return c.asked && !slices.ContainsFunc(taken, func(other *call) bool { return other != c && other.asked })
}

// untouched says what the end of the worker means for a job that it had not begun to
// read, perhaps with others: another worker has it, unless this one, which has ended for
// that reason, shows that none can work.
func (w *worker) untouched(exit job.Exit, others bool, why error) end {
	switch {
	case exit.Err != nil && w.pid == 0 && !w.asked: // it could not be started
		return end{exit: exit}
	case w.asked || w.reads:
		return end{again: true, shared: others && w.reads}
	case isBroken(exit.Code):
		return end{exit: job.Exit{Code: exit.Code, Tail: exit.Tail}}
	}

	return end{exit: job.Exit{Code: -1, Err: why, Tail: exit.Tail}}
}

// stillborn is why a worker cannot work that has ended before it read a job.
func (w *worker) stillborn(exit job.Exit) error {
	return fmt.Errorf("the worker ended before it read a job: %s", describe(exit))
}

// isBroken says whether a worker that exits so says that it cannot work.
func isBroken(code int) bool { return code == 78 || code == 126 || code == 127 }

// describe says for people how a worker ended.
func describe(exit job.Exit) string {
	switch {
	case exit.Err != nil:
		return exit.Err.Error()
	case exit.Signal != "" && exit.OOM != "":
		return exit.Signal + " (" + exit.OOM + ")"
	case exit.Signal != "":
		return exit.Signal
	default:
		return fmt.Sprintf("exit %d", exit.Code)
	}
}

// ids returns the jobs of calls.
func ids(calls []*call) []job.ID {
	all := make([]job.ID, 0, len(calls))
	for _, c := range calls {
		all = append(all, c.task.Job.ID)
	}

	return all
}
