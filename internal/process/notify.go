package process

import (
	"context"
	"errors"
	"sync"
	"time"

	"importerd/internal/job"

	"github.com/rs/zerolog"
)

// notifier runs the operator's on_failed command, one at a time, in the order
// of the failures.
type notifier struct {
	log   zerolog.Logger
	pulse Pulse
	wake  chan struct{} // add and close send, run receives; holds one; never closed

	mu      sync.Mutex
	pending []notice // guarded by mu
	closed  bool     // guarded by mu
}

// notify runs the operator's command; nil: there is none.
type notify func(ctx context.Context, rec job.Record, note []byte) error

// notice is one thing to tell.
type notice struct {
	call notify
	rec  job.Record
	note []byte
	told func() error // called when it was told; nil: nobody cares
}

// notifyLimit is how long one run of the command may last: those behind it wait.
const notifyLimit = 10 * time.Minute

func newNotifier(log zerolog.Logger, pulse Pulse) *notifier {
	return &notifier{log: log, pulse: pulse, wake: make(chan struct{}, 1)}
}

// add queues a notice. It does not block.
func (n *notifier) add(next notice) {
	if next.call == nil {
		return
	}

	n.mu.Lock()
	n.pending = append(n.pending, next)
	n.mu.Unlock()
	n.poke()
}

// close lets run end when all is told.
func (n *notifier) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.poke()
}

func (n *notifier) poke() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run tells what is queued until it is closed and all is told. When work is
// done the calls come back at once, and what was not told is told by the next start.
// It comes round at least each beatEvery.
func (n *notifier) run(work context.Context, beatEvery time.Duration) {
	defer n.pulse.End()

	beat := time.NewTicker(beatEvery)
	defer beat.Stop()

	for {
		n.pulse.Beat()

		next, more := n.next()

		switch {
		case next != nil:
			n.tell(work, next)
		case more:
			select {
			case <-n.wake:
			case <-beat.C:
			}
		default:
			return
		}
	}
}

// tell runs the command for one notice. A command that has refused was run all
// the same: that is what can be promised.
func (n *notifier) tell(work context.Context, next *notice) {
	ctx, cancel := context.WithTimeout(work, notifyLimit)
	defer cancel()

	n.pulse.Waiting() // for the command, which has its limit, and for the disk
	defer n.pulse.Back()

	err := next.call(ctx, next.rec, next.note)

	if work.Err() == nil && next.told != nil {
		err = errors.Join(err, next.told())
	}

	if err != nil {
		n.log.Warn().Str("job", next.rec.ID.String()).Err(err).Msg("on_failed did not work")
	}
}

// next takes the first notice, nil: there is none; more says whether any can come.
func (n *notifier) next() (*notice, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()

	if len(n.pending) == 0 {
		return nil, !n.closed
	}

	first := n.pending[0]
	n.pending = n.pending[1:]

	return &first, true
}
