package process

import "time"

// spreadMost is how long lies at most between two groups that are brought to the disk.
const spreadMost = 20 * time.Millisecond

// rhythm spaces groups out: one costs the disk as much for many as for one. Who comes
// alone waits for nothing, nor do those who come seldom; the more the last group had,
// the longer the next one waits for more.
type rhythm struct {
	last time.Time // when the last group was through
	size int       // how many it had
}

// wait returns how long the next group has to wait as yet; none, or less: no longer.
func (r *rhythm) wait(now time.Time) time.Duration {
	return min(time.Duration(r.size)*gatherFor, spreadMost) - now.Sub(r.last)
}

// beat notes that a group is through.
func (r *rhythm) beat(now time.Time, size int) { r.last, r.size = now, size }
