package control

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strconv"

	"importerd/internal/control/listing"
	"importerd/internal/control/reply"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// How many jobs one answer lists.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

// listJobs lists jobs of all spools, the newest first.
func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) error {
	given, err := reply.Parameters(r, "spool", "state", "name", "match", "since", "limit", "after")
	if err != nil {
		return err
	}

	limit, err := readLimit(given["limit"])
	if err != nil {
		return err
	}

	spools := s.o.Spools()

	if name := given["spool"]; name != "" {
		sp, err := s.spool(name)
		if err != nil {
			return err
		}

		spools = []*Spool{sp}
	}

	c := listing.Choice{
		Sources: sources(r.Context(), spools), Scope: given["spool"],
		Name: given["name"], Match: given["match"], Ago: given["since"],
	}

	if state := job.State(given["state"]); state != "" {
		if all := listing.States(); !slices.Contains(all, state) {
			return reply.BadRequest("state: %q: possible are %s", state, listing.Join(all))
		}

		c.States = []job.State{state}
	}

	list, err := c.Open(given["after"])
	if err != nil {
		return err
	}

	page, err := pageOf(list, limit, spools)
	if err != nil {
		return err
	}

	return reply.JSON(w, http.StatusOK, page)
}

// readLimit reads how many jobs are wanted.
func readLimit(text string) (int, error) {
	if text == "" {
		return defaultLimit, nil
	}

	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, reply.BadRequest("limit: %q: possible is 1 to %d", text, maxLimit)
	}

	return n, nil
}

// sources returns where the jobs of spools are read for a request, until it ends.
func sources(ctx context.Context, spools []*Spool) []*listing.Source {
	var all []*listing.Source
	for _, sp := range spools {
		all = append(all, &listing.Source{Name: sp.Name, List: sp.listUntil(ctx)})
	}

	return all
}

// listUntil returns what lists jobs until ctx is done. To match many names takes long:
// nobody does it for one who has gone.
func (sp *Spool) listUntil(ctx context.Context) func(Query) ([]Entry, error) {
	return func(q Query) ([]Entry, error) {
		if match := q.Match; match != nil {
			q.Match = func(name string) bool { return ctx.Err() == nil && match(name) }
		}

		list, err := sp.History.List(q)
		if err == nil {
			err = context.Cause(ctx) // it may lack something
		}

		return list, err
	}
}

// pageOf returns the next jobs of a list, limit of them if there are as many.
func pageOf(list *listing.List, limit int, spools []*Spool) (wire.Jobs, error) {
	page := wire.Jobs{Jobs: []wire.Job{}, Missing: list.Missing()}

	for len(page.Jobs) < limit {
		name, rec, err := list.Next()
		if errors.Is(err, listing.ErrNoMore) {
			break
		}

		if err != nil {
			return page, err
		}

		sp := spools[slices.IndexFunc(spools, func(sp *Spool) bool { return sp.Name == name })]
		page.Jobs = append(page.Jobs, sp.shown(rec))
	}

	var err error

	page.After, err = list.Cursor()

	return page, err
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
	if err := reply.NoInput(r); err != nil {
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

	return reply.JSON(w, http.StatusOK, sp.shown(rec).WithOutput(rec.Exit))
}

// jobID reads the id in the path.
func jobID(r *http.Request) (job.ID, error) {
	id, err := job.ParseID(r.PathValue("id"))
	if err != nil {
		return id, reply.NotFound("%s", err)
	}

	return id, nil
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

	return nil, job.Record{}, reply.NotFound("there is no job %s: it may have been removed after the time it is kept", id)
}

// isNone says whether err means that there is no such job.
func isNone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
