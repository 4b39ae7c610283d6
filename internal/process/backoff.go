package process

import (
	"math/rand/v2"
	"time"
)

// Backoff is the schedule of waits between attempts.
type Backoff struct {
	Min, Max time.Duration
}

// The shape of the schedule: each wait is growth times the one before, and
// each is varied by up to jitter either way, so that jobs that failed together
// do not come back together.
const (
	growth = 4
	jitter = 0.2
)

// Wait returns the wait after the nth attempt, n from 1.
func (b Backoff) Wait(n int) time.Duration {
	wait := b.Min
	for i := 1; i < n && wait < b.Max; i++ {
		wait *= growth
	}

	return vary(min(wait, b.Max))
}

// Widest returns the longest wait of the schedule.
func (b Backoff) Widest() time.Duration { return vary(b.Max) }

// vary returns d changed by up to jitter.
func vary(d time.Duration) time.Duration {
	//nolint:gosec // spreads load; nobody gains by guessing it
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
}
