package keep

import "time"

const (
	// calm is how long nothing is removed after a start and after a jump of the
	// clock: a machine may come up with a wrong time that is set right later.
	calm = time.Hour
	// jump is by how much wall clock and monotonic clock may part unnoticed.
	jump = time.Minute
)

// clock is the wall clock, if it can be believed.
type clock struct {
	wall  func() time.Time
	base  time.Time // by the wall clock
	start time.Time // the same moment, with its monotonic reading
	quiet time.Time // nothing is removed before; with its monotonic reading
}

func newClock(wall func() time.Time) *clock {
	c := &clock{wall: wall}
	c.set()

	return c
}

// set takes the present for what the clock is compared with from now on.
func (c *clock) set() {
	c.base, c.start = c.wall(), time.Now()
	c.quiet = c.start.Add(calm)
}

// now returns the time, and whether it can be believed. jumped is by how much
// the clock has jumped since the last call; zero: it has not.
func (c *clock) now() (now time.Time, sure bool, jumped time.Duration) {
	now = c.wall()

	parted := now.Sub(c.base) - time.Since(c.start)
	if parted > jump || parted < -jump {
		c.set()

		return now, false, parted
	}

	return now, !time.Now().Before(c.quiet), 0
}
