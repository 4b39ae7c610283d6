package process

import "importerd/internal/job"

// Live is what is known of a job under way beyond its record.
type Live struct {
	Committing bool     // its handler has ended, and the disk does not take that yet
	Progress   *float64 // as the running handler has last reported; nil: it has not
}

// Live returns what is known of a job beyond its record; false: nothing is. It may
// be called at any time.
func (p *Pool) Live(id job.ID) (Live, bool) {
	known, ok := p.live.Load(id)
	if !ok {
		return Live{}, false
	}

	if g, ok := known.(*grip); ok {
		return Live{Progress: g.reported()}, true
	}

	live, ok := known.(Live)

	return live, ok
}

// reported returns the progress that the handler has last reported.
func (g *grip) reported() *float64 {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.progress
}
