package control

import (
	"context"
	"net/http"
	"strings"

	"importerd/internal/control/reply"
	"importerd/internal/control/wire"
)

// listSpools says how all spools stand.
func (s *Server) listSpools(w http.ResponseWriter, r *http.Request) error {
	if err := reply.NoInput(r); err != nil {
		return err
	}

	all := wire.Spools{Daemon: s.o.Daemon(), Spools: []wire.Spool{}}
	for _, sp := range s.o.Spools() {
		all.Spools = append(all.Spools, sp.Status())
	}

	return reply.JSON(w, http.StatusOK, all)
}

// getSpool says how one spool stands.
func (s *Server) getSpool(w http.ResponseWriter, r *http.Request) error {
	return s.withSpool(w, r, http.StatusOK, func(*Spool) error { return nil })
}

// pauseSpool ends claiming until it is resumed.
func (s *Server) pauseSpool(w http.ResponseWriter, r *http.Request) error {
	return s.setPaused(w, r, true)
}

// resumeSpool begins to claim again.
func (s *Server) resumeSpool(w http.ResponseWriter, r *http.Request) error {
	return s.setPaused(w, r, false)
}

// setPaused pauses or resumes a spool and says how it stands.
func (s *Server) setPaused(w http.ResponseWriter, r *http.Request, paused bool) error {
	return s.withSpool(w, r, http.StatusOK, func(sp *Spool) error {
		return sp.Steerer.PauseSpool(context.WithoutCancel(r.Context()), paused)
	})
}

// sweep asks for a full look at the inbox, which comes after the answer.
func (s *Server) sweep(w http.ResponseWriter, r *http.Request) error {
	return s.withSpool(w, r, http.StatusAccepted, func(sp *Spool) error {
		sp.Inbox.Sweep()

		return nil
	})
}

// withSpool does something with the spool of the path and says how it stands.
func (s *Server) withSpool(w http.ResponseWriter, r *http.Request, status int, do func(*Spool) error) error {
	if err := reply.NoInput(r); err != nil {
		return err
	}

	sp, err := s.spool(r.PathValue("spool"))
	if err != nil {
		return err
	}

	if err := do(sp); err != nil {
		return err
	}

	return reply.JSON(w, status, sp.Status())
}

// spool returns the spool of a name.
func (s *Server) spool(name string) (*Spool, error) {
	all := s.o.Spools()
	for _, sp := range all {
		if sp.Name == name {
			return sp, nil
		}
	}

	return nil, reply.NotFound("there is no spool %q: there %s", name, spoolNames(all))
}

// only returns the spool of a name, and the only one if the name was left out.
func (s *Server) only(name string) (*Spool, error) {
	all := s.o.Spools()

	switch {
	case name != "":
		return s.spool(name)
	case len(all) != 1:
		return nil, reply.BadRequest("say which spool: there %s", spoolNames(all))
	}

	return all[0], nil
}

// spoolNames ends a sentence that begins with "there".
func spoolNames(all []*Spool) string {
	if len(all) == 0 {
		return "are none"
	}

	var names []string
	for _, sp := range all {
		names = append(names, sp.Name)
	}

	return "is " + strings.Join(names, ", ")
}
