package worker

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"importerd/internal/job"
)

// Locks are the locks that workers inherit, so that a later daemon knows whether one
// still lives.
type Locks interface {
	LockWorker(id job.ID) (*os.File, error)
	NoteProcess(lock *os.File, pid int) error
	UnlockJob(id job.ID, lock *os.File) error
	HandlerGone(id job.ID) bool
	SignalHandlers(ids []job.ID, signals ...syscall.Signal)
}

// Options are what a Fleet works with.
type Options struct {
	Locks   Locks
	LogPath func(number int) string // absolute path of the log of the workers of a number
	Kill    <-chan struct{}         // closed when workers are to be killed without any grace
	Log     zerolog.Logger
}

// Fleet is all workers of one spool, whatever becomes of its settings: those of handlers
// that were replaced are in it until they have ended.
type Fleet struct {
	opts Options
	//nolint:containedctx // workers outlive what asked for them; it is never done
	ctx  context.Context
	runs sync.WaitGroup // one for each worker

	mu       sync.Mutex
	handlers []*Handler          // guarded by mu; those that may have workers
	numbers  []int               // guarded by mu; of the workers that there are
	suspects map[job.ID]struct{} // guarded by mu; jobs that are to run alone
	ghosts   []ghost             // guarded by mu; ended workers of which something lives
	counts   Counts              // guarded by mu
	garbage  garbage             // guarded by mu
}

// Counts say how the workers stand.
type Counts struct {
	Alive   int // processes that are there
	Started int // processes that were started, since the Fleet is
	Died    int // of these, have ended without being asked to
}

// ghost is what could not be ended of a worker's processes, with the jobs that they
// may still be at work on.
type ghost struct {
	lock job.ID
	jobs []job.ID
}

// New returns a fleet without workers. Nothing but the values of ctx counts.
func New(ctx context.Context, o Options) *Fleet {
	return &Fleet{opts: o, ctx: context.WithoutCancel(ctx), suspects: map[job.ID]struct{}{}}
}

// Counts returns how the workers stand.
func (f *Fleet) Counts() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.counts
}

// Retire has all workers but those of h end: each when its jobs have, as at a drain.
// nil: those of all.
func (f *Fleet) Retire(h *Handler) {
	f.mu.Lock()
	all := slices.Clone(f.handlers)
	f.mu.Unlock()

	for _, other := range all {
		if other != h && other.retire() {
			f.mu.Lock()
			f.handlers = slices.DeleteFunc(f.handlers, func(each *Handler) bool { return each == other })
			f.mu.Unlock()
		}
	}
}

// Close has all workers end and returns when they have. They get the end of their
// input, and their grace to go; when work is done they are asked at once.
func (f *Fleet) Close(work context.Context) {
	f.Retire(nil)

	stop := context.AfterFunc(work, f.endAll)
	defer stop()

	f.runs.Wait()
}

// endAll asks all workers to end.
func (f *Fleet) endAll() {
	f.mu.Lock()
	all := slices.Clone(f.handlers)
	f.mu.Unlock()

	for _, h := range all {
		h.endAll()
	}
}

// number returns the lowest number that no worker has.
func (f *Fleet) number() int {
	f.mu.Lock()
	defer f.mu.Unlock()

	n := 1
	for slices.Contains(f.numbers, n) {
		n++
	}

	f.numbers = append(f.numbers, n)

	return n
}

// release gives a number back.
func (f *Fleet) release(number int) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.numbers = slices.DeleteFunc(f.numbers, func(n int) bool { return n == number })
}

// count counts a worker that is there, or with -1 is no more.
func (f *Fleet) count(alive int, died bool) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.counts.Alive += alive

	switch {
	case alive > 0:
		f.counts.Started++
	case died:
		f.counts.Died++
	}
}

// suspect has jobs run alone from now on, until one is answered.
func (f *Fleet) suspect(id job.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.suspects[id] = struct{}{}
}

// clear says that a job was answered.
func (f *Fleet) clear(id job.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()

	delete(f.suspects, id)
}

// isSuspect says whether a job is to run alone.
func (f *Fleet) isSuspect(id job.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	_, is := f.suspects[id]

	return is
}

// unlock gives the lock of an ended worker back. What of it has got away is killed; if
// that does not help, its jobs wait until it is gone.
func (f *Fleet) unlock(id job.ID, lock *os.File, jobs []job.ID) {
	locks := f.opts.Locks

	err := locks.UnlockJob(id, lock)
	if err == nil {
		return
	}

	locks.SignalHandlers([]job.ID{id}, syscall.SIGKILL)

	if err = locks.UnlockJob(id, lock); err == nil {
		return
	}

	f.opts.Log.Warn().Err(err).Msg("worker left a process behind")

	f.mu.Lock()
	defer f.mu.Unlock()

	f.ghosts = append(f.ghosts, ghost{id, jobs})
}

// haunted says why a job cannot be begun yet: a worker that had it has left something
// that lives. nil: it can.
func (f *Fleet) haunted(id job.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()

	if len(f.ghosts) == 0 {
		return nil
	}

	f.ghosts = slices.DeleteFunc(f.ghosts, func(g ghost) bool { return f.opts.Locks.HandlerGone(g.lock) })

	for _, g := range f.ghosts {
		if slices.Contains(g.jobs, id) {
			return &endError{"a process of the worker that had this job lives on", syscall.EAGAIN}
		}
	}

	return nil
}

// garbage bounds how often the log tells of what workers should not have said.
type garbage struct {
	told  time.Time
	since int // lines since then
}

// garbageEvery is how often the log tells of it at most.
const garbageEvery = time.Minute

// complain tells the log, now and then, of a line that is of no use.
func (f *Fleet) complain(pid int, line []byte, why error) {
	const shown = 200 // bytes of the line

	f.mu.Lock()
	defer f.mu.Unlock()

	f.garbage.since++

	if !f.garbage.told.IsZero() && time.Since(f.garbage.told) < garbageEvery {
		return
	}

	f.opts.Log.Warn().Int("pid", pid).Int("lines", f.garbage.since).Err(why).
		Str("line", job.Show(string(line[:min(len(line), shown)]))).Msg("worker said what means nothing")
	f.garbage = garbage{told: time.Now()}
}

// endError is how a worker's end concerns a job.
type endError struct {
	text string
	kind error // handler.ErrDied or ErrShared, or an errno with which the job is tried later
}

// Error says it for people.
func (e *endError) Error() string { return e.text }

// Unwrap returns the kind.
func (e *endError) Unwrap() error { return e.kind }

// errNothing is what is wrong with an answer about a job that the worker does not have.
var errNothing = fmt.Errorf("the worker does not have this job, or not any more")
