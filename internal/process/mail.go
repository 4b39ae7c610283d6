package process

import "sync"

// mail is what others have for the loop to do. Nobody waits until it is done, and the
// loop does all that has gathered before it looks what to begin next.
type mail struct {
	wake chan struct{} // add sends, the loop receives; holds one; never closed

	mu      sync.Mutex
	waiting []func() // guarded by mu
	closed  bool     // guarded by mu; nothing is done any more
}

func newMail() mail { return mail{wake: make(chan struct{}, 1)} }

// add has the loop do f. It is dropped when the loop has ended.
func (m *mail) add(f func()) {
	m.mu.Lock()
	first := len(m.waiting) == 0

	if !m.closed {
		m.waiting = append(m.waiting, f)
	}

	m.mu.Unlock()

	if !first {
		return
	}

	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take returns what has gathered, in the order in which it came. spare is used again.
func (m *mail) take(spare []func()) []func() {
	m.mu.Lock()
	defer m.mu.Unlock()

	all := m.waiting
	m.waiting = spare

	return all
}

// close drops what comes from now on.
func (m *mail) close() {
	m.mu.Lock()
	defer m.mu.Unlock()

	m.closed, m.waiting = true, nil
}
