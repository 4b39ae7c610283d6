// Package listing walks through the jobs of one or more spools, the newest first, and
// goes on where it was left.
package listing

import (
	"strings"
	"time"

	"importerd/internal/config"
	"importerd/internal/control/reply"
	"importerd/internal/job"
)

// Query chooses jobs of one spool. Each field that is not zero narrows the choice.
type Query struct {
	State  job.State              // that of the record, not the one shown
	Name   string                 // the name as dropped, exactly
	Match  func(name string) bool // says of a name as dropped whether it is wanted
	Since  time.Time              // ended then or later; or not ended, and recorded then or later
	Before int64                  // only jobs with a lower place
	Limit  int                    // at most so many
}

// Entry is a job with its place in the list of its spool: later ones have
// higher places, and a place does not change.
type Entry struct {
	Place int64
	job.Record
}

// Source is where the jobs of a spool are read.
type Source struct {
	Name string // the spool's
	// List returns the jobs that q chooses, the newest first, each with its place.
	List func(q Query) ([]Entry, error)
}

// Choice is which jobs are wanted.
type Choice struct {
	Sources []*Source
	Scope   string      // the spool that was asked for; empty: all
	States  []job.State // as shown; none: all
	Name    string      // as dropped, exactly; empty: all
	Match   string      // a pattern for names as dropped; empty: all
	Ago     string      // ended (or, not ended, come to be) so long ago at most; empty: all

	since time.Time
}

// check returns the fault of a choice that makes no sense.
func (c *Choice) check() error {
	if c.Match != "" {
		if err := config.CheckPattern(c.Match); err != nil {
			return reply.BadRequest("match: %s: write it as *.csv or {a,b}-*", err)
		}
	}

	if c.Ago != "" {
		d, err := reply.Duration("since", c.Ago)
		if err != nil {
			return err
		}

		c.since = time.Now().Add(-d)
	}

	return nil
}

// key tells the choice from others. When it was made, and which spools there are, is
// not part of it.
func (c *Choice) key() string {
	return keyOf(c.Scope, Join(c.States), c.Name, c.Match, c.Ago)
}

// States returns all states, in the order in which a job goes through them.
func States() []job.State {
	return []job.State{
		job.Deferred, job.Processing, job.Committing, job.Paused, job.Done, job.Failed, job.Terminated,
	}
}

// Join returns states as text.
func Join(states []job.State) string {
	var words []string
	for _, state := range states {
		words = append(words, string(state))
	}

	return strings.Join(words, ", ")
}
