package process

import (
	"fmt"
	"time"
)

// jump is how far the wall clock may stray from the monotonic one between two
// looks before it counts as a jump. Slewing stays below it.
const jump = 5 * time.Second

// clock compares the wall clock with the monotonic one. The zero clock has not
// looked yet.
type clock struct {
	last time.Time
}

// jumped says whether the wall clock has jumped since the last look. now is a
// time with a monotonic reading.
func (c *clock) jumped(now time.Time) bool {
	last := c.last
	c.last = now

	return !last.IsZero() && strays(now.Round(0).Sub(last.Round(0)), now.Sub(last))
}

// strays says whether what went by on the wall clock differs by a jump from what
// really went by.
func strays(wall, real time.Duration) bool { return (wall - real).Abs() >= jump }

// cutDue sees to it that no deferred job waits longer than the schedule has it:
// stored times are wall-clock times, and the clock may have been wrong as they
// were stored, or have been put back.
func (p *Pool) cutDue() error {
	widest := time.Duration(float64(p.cfg().Backoff.Max) * (1 + jitter))
	if err := p.deps.Journal.CutDue(time.Now().Add(widest)); err != nil {
		return fmt.Errorf("cut waits: %w", err)
	}

	return nil
}
