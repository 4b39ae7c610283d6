package control

import (
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"

	"github.com/bmatcuk/doublestar/v4"
)

// How many jobs one answer lists.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

// choice is which jobs of one or more spools are wanted.
type choice struct {
	spools []*Spool
	states []job.State // as shown
	name   string
	match  string
	since  time.Time
	key    string // tells this choice from others; the time is not part of it
}

// listJobs lists jobs of all spools, the newest first.
func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) error {
	given, err := parameters(r, "spool", "state", "name", "match", "since", "limit", "after")
	if err != nil {
		return err
	}

	limit, err := readLimit(given["limit"])
	if err != nil {
		return err
	}

	c, err := s.readChoice(given)
	if err != nil {
		return err
	}

	list, err := c.open(given["after"])
	if err != nil {
		return err
	}

	page := wire.Jobs{Jobs: []wire.Job{}}

	for len(page.Jobs) < limit {
		sp, rec, err := list.next()
		if errors.Is(err, errNoMore) {
			break
		}

		if err != nil {
			return err
		}

		page.Jobs = append(page.Jobs, sp.shown(rec))
	}

	if page.After, err = list.cursor(); err != nil {
		return err
	}

	page.Missing = list.missing

	return tell(w, http.StatusOK, page)
}

// readLimit reads how many jobs are wanted.
func readLimit(text string) (int, error) {
	if text == "" {
		return defaultLimit, nil
	}

	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, badRequest("limit: %q: possible is 1 to %d", text, maxLimit)
	}

	return n, nil
}

// readChoice reads which jobs are wanted.
func (s *Server) readChoice(given map[string]string) (choice, error) {
	c := choice{spools: s.o.Spools(), name: given["name"], match: given["match"]}

	if name := given["spool"]; name != "" {
		sp, err := s.spool(name)
		if err != nil {
			return c, err
		}

		c.spools = []*Spool{sp}
	}

	if state := given["state"]; state != "" {
		c.states = []job.State{job.State(state)}

		if all := allStates(); !slices.Contains(all, job.State(state)) {
			return c, badRequest("state: %q: possible are %s", state, joined(all))
		}
	}

	return c, c.complete(given["since"], given["spool"])
}

// complete reads the rest of a choice, and gives it its key.
func (c *choice) complete(since, spool string) error {
	if c.match != "" && !doublestar.ValidatePattern(c.match) {
		return badRequest("match: %q is no pattern: write it as *.csv or {a,b}-*", c.match)
	}

	if since != "" {
		d, err := duration("since", since)
		if err != nil {
			return err
		}

		c.since = time.Now().Add(-d)
	}

	c.key = keyOf(spool, joined(c.states), c.name, c.match, since)

	return nil
}

// allStates returns the states, in the order in which a job goes through them.
func allStates() []job.State {
	return []job.State{
		job.Deferred, job.Processing, job.Committing, job.Paused, job.Done, job.Failed, job.Terminated,
	}
}

// joined returns states as text.
func joined(states []job.State) string {
	var words []string
	for _, state := range states {
		words = append(words, string(state))
	}

	return strings.Join(words, ", ")
}

// shown returns a job for machines.
func (sp *Spool) shown(rec job.Record) wire.Job {
	j := wire.JobOf(rec)
	if sp.Live != nil {
		sp.Live(&j, rec)
	}

	return j
}

// getJob returns one job.
func (s *Server) getJob(w http.ResponseWriter, r *http.Request) error {
	if err := noInput(r); err != nil {
		return err
	}

	id, err := jobID(r)
	if err != nil {
		return err
	}

	sp, rec, err := s.find(id)
	if err != nil {
		return err
	}

	return tell(w, http.StatusOK, sp.shown(rec).WithOutput(rec.Exit))
}

// find returns a job and its spool. While a spool does not answer, nobody can say
// that there is no such job.
func (s *Server) find(id job.ID) (*Spool, job.Record, error) {
	var trouble error

	for _, sp := range s.o.Spools() {
		rec, err := sp.History.Get(id)
		if err == nil {
			return sp, rec, nil
		}

		if !isNone(err) {
			trouble = err
		}
	}

	if trouble != nil {
		return nil, job.Record{}, trouble
	}

	return nil, job.Record{}, notFound("there is no job %s: it may have been removed after the time it is kept", id)
}

// isNone says whether err means that there is no such job.
func isNone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
