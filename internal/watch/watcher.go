package watch

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"importerd/internal/job"
)

// looksMax is how many names Look keeps for the loop.
const looksMax = 256

// Watcher watches one inbox. Its methods may be called from any goroutine,
// before, during and after Run.
type Watcher struct {
	inbox Inbox

	started atomic.Bool
	arming  sync.Once // closes armed

	armed  chan struct{}   // closed by Run
	ended  chan struct{}   // closed by Run when it returns
	ready  chan []job.File // sent by Run, received by who takes the files; never closed
	looks  chan string     // sent by Look, received by Run; never closed
	sweeps chan struct{}   // one remembered bit: sent by Sweep, received by Run; never closed
	asks   chan ask        // sent by Explain, received by Run; never closed

	mu     sync.Mutex
	shift  *shift   // guarded by mu; the last one
	counts snapshot // guarded by mu
}

// ask is one question of Explain.
type ask struct {
	name   string
	answer chan job.Reason // has room for the answer; sent by Run, received by Explain
}

// New returns the watch of an inbox, or all that is wrong with the options.
func New(inbox Inbox, opts Options) (*Watcher, error) {
	opts, err := opts.check()
	if err != nil {
		return nil, err
	}

	return &Watcher{
		inbox:  inbox,
		shift:  newShift(opts),
		armed:  make(chan struct{}),
		ended:  make(chan struct{}),
		ready:  make(chan []job.File),
		looks:  make(chan string, looksMax),
		sweeps: make(chan struct{}, 1),
		asks:   make(chan ask),
	}, nil
}

// Run watches until ctx is done and then returns nil. It returns an error that
// wraps job.ErrSpoolReplaced when the whole spool was replaced: who owns the
// spool must open it anew. It can be called once.
func (w *Watcher) Run(ctx context.Context) error {
	if w.started.Swap(true) {
		return errors.New("the watch was started before")
	}

	defer close(w.ended)

	for before := (*loop)(nil); ; {
		l := newLoop(w, before)
		err := l.run(ctx)
		l.close()

		if err != nil || ctx.Err() != nil {
			return err
		}

		before = l
	}
}

// Armed is closed when nothing can slip through any more: events are on (or
// were refused, see Counts) and the sweep that follows them is due at once or has
// begun. It stays open when Run returns before that.
func (w *Watcher) Armed() <-chan struct{} { return w.armed }

// Ready gives the files that are ready, in batches of 1 to 64, and is never
// closed. A batch taken is forgotten: a file that is not claimed is found again
// by a later sweep, or at once by Look. The same name may so come twice.
func (w *Watcher) Ready() <-chan []job.File { return w.ready }

// Look asks to look at that name again, soon. It never blocks; with too many
// such wishes they become one for a sweep.
func (w *Watcher) Look(name string) {
	select {
	case w.looks <- name:
	default:
		w.Sweep()
	}
}

// Sweep asks to look at all files, soon. It never blocks; a wish during a sweep
// is remembered until it has ended, several are one.
func (w *Watcher) Sweep() {
	select {
	case w.sweeps <- struct{}{}:
	default:
	}
}

// Explain says how the file of that name stands; a reason without a standing
// says that there is none. While the loop does not run, or ctx ends first, the
// reason is job.ReasonNotWatching.
func (w *Watcher) Explain(ctx context.Context, name string) job.Reason {
	none := job.Reason{Standing: job.Held, Text: job.ReasonNotWatching}

	if !w.started.Load() {
		return none
	}

	question := ask{name: name, answer: make(chan job.Reason, 1)}

	select {
	case w.asks <- question:
	case <-w.ended:
		return none
	case <-ctx.Done():
		return none
	}

	select {
	case answer := <-question.answer:
		return answer
	case <-ctx.Done():
		return none
	}
}

// Counts tells how the inbox stands, as the loop last saw it.
func (w *Watcher) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.counts.counts()
}

// publish is how the loop tells what Counts answers.
func (w *Watcher) publish(s snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.counts = s
}

// element says whether name can be a name in a directory.
func element(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}
