package control

import (
	"context"
	"sync"
)

// tally counts answers that last: net/http does not wait for those that have become
// WebSockets.
type tally struct {
	mu    sync.Mutex
	n     int             // guarded by mu
	empty []chan struct{} // guarded by mu; closed by leave when n is 0 again; nobody sends
}

// enter counts one more.
func (t *tally) enter() {
	t.mu.Lock()
	defer t.mu.Unlock()

	t.n++
}

// leave counts one less.
func (t *tally) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()

	t.n--
	if t.n > 0 {
		return
	}

	for _, c := range t.empty {
		close(c)
	}

	t.empty = nil
}

// wait waits until there are none, but not longer than ctx.
func (t *tally) wait(ctx context.Context) {
	t.mu.Lock()

	if t.n == 0 {
		t.mu.Unlock()

		return
	}

	c := make(chan struct{})
	t.empty = append(t.empty, c)
	t.mu.Unlock()

	select {
	case <-c:
	case <-ctx.Done():
	}
}
