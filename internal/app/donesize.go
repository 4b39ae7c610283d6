package app

import (
	"sync"
	"time"

	"importerd/internal/journal"
)

// doneSizeEvery is how often the whole history is looked through for the size of
// what is done.
const doneSizeEvery = time.Minute

// doneSize remembers how many bytes the done jobs of a journal have.
type doneSize struct {
	mu   sync.Mutex
	at   time.Time // guarded by mu; zero: never asked
	size int64     // guarded by mu
}

// of returns how many bytes it is, as of a minute ago at most; zero: not known.
func (d *doneSize) of(j *journal.Journal) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()

	if !d.at.IsZero() && time.Since(d.at) < doneSizeEvery {
		return d.size
	}

	if size, err := j.DoneSize(); err == nil {
		d.at, d.size = time.Now(), size
	}

	return d.size
}
