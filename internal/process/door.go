package process

import (
	"sync"
	"sync/atomic"

	"importerd/internal/job"
)

// door lets callers in while the pool runs.
type door struct {
	mu      sync.RWMutex // held for reading by those inside
	isOpen  bool         // guarded by mu
	closing atomic.Bool  // nobody else is let in; the loop writes
}

// enter lets a caller in, who must leave.
func (d *door) enter() error {
	if d.closing.Load() {
		return job.ErrDraining
	}

	d.mu.RLock()

	if d.isOpen {
		return nil
	}

	d.mu.RUnlock()

	if d.closing.Load() {
		return job.ErrDraining
	}

	return job.ErrDegraded
}

func (d *door) leave() { d.mu.RUnlock() }

func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.isOpen = true
}

// close lets nobody else in.
func (d *door) close() { d.closing.Store(true) }

// shut waits for those inside.
func (d *door) shut() {
	d.close()
	d.mu.Lock()
	defer d.mu.Unlock()

	d.isOpen = false
}
