package command

import (
	"context"
	"time"
)

// alone is how long a process is left to itself: most have ended by then, and to look
// after one costs a tenth of starting it. What it writes waits in its pipes meanwhile, and
// it cannot yet have taken so much memory that its score would matter.
const alone = 10 * time.Millisecond

// await waits for the end of the main process, which is not reaped yet.
func (r *run) await(ctx context.Context, pipes []*pipe) error {
	exited, attended := make(chan struct{}), make(chan struct{}) // closed by us, by the goroutine
	attend := time.AfterFunc(alone, func() {
		defer close(attended)

		r.pump(pipes)

		if r.oomScore {
			raiseOOMScores(r.tree.pgid)
		}

		r.supervise(ctx, exited)
	})

	err := r.tree.awaitEnd()

	close(exited)

	if !attend.Stop() {
		<-attended
	}

	return err
}

// supervise looks after the main process until exited is closed. It freezes the tree
// and lets it go on as the caller says, and brings the end about when ctx is done
// or the caller wants it killed.
func (r *run) supervise(ctx context.Context, exited <-chan struct{}) {
	var grace <-chan time.Time // from SIGTERM to SIGKILL

	asked, kill := ctx.Done(), r.kill

	for {
		select {
		case <-exited:
			return
		case frozen, more := <-r.freeze:
			r.takeFreeze(frozen, more)
		case <-asked:
			asked, grace = nil, time.After(r.killAfter)

			r.tree.terminate()
		case <-grace:
			grace = nil

			r.tree.kill()
		case <-kill:
			asked, kill, grace = nil, nil, nil

			r.tree.kill()
		}
	}
}

// takeFreeze does what came from the caller; without more the channel was closed.
func (r *run) takeFreeze(frozen, more bool) {
	switch {
	case !more:
		r.freeze = nil
	case frozen:
		r.tree.freeze()
	default:
		r.tree.thaw()
	}
}

// freezePending takes what was sent before the start, so that a job that is to
// be frozen does not run for as long as the start takes to be written down.
func (r *run) freezePending() {
	select {
	case frozen, more := <-r.freeze:
		r.takeFreeze(frozen, more)
	default:
	}
}
