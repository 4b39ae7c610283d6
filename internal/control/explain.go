package control

import (
	"fmt"
	"net/http"
	"strings"

	"importerd/internal/control/reply"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// explained is how many jobs of a name an explanation lists.
const explained = 10

// explain says where the file of a name is and why.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) error {
	given, err := reply.Parameters(r, "spool", "name")
	if err != nil {
		return err
	}

	// A temporary name has its explanation too.
	name := given["name"]
	if name == "" || name == "." || name == ".." || len(name) > job.MaxName || strings.ContainsAny(name, "/\x00") {
		return reply.BadName("name: give the name of a file, without a directory, of at most %d bytes", job.MaxName)
	}

	sp, err := s.only(given["spool"])
	if err != nil {
		return err
	}

	answer := wire.ExplanationOf(sp.Name, name, sp.Inbox.Explain(r.Context(), name))

	found, err := sp.History.List(Query{Name: name, Limit: explained})
	if err != nil {
		return fmt.Errorf("list jobs of %s: %w", sp.Name, err)
	}

	for _, e := range found {
		answer.Jobs = append(answer.Jobs, sp.shown(e.Record))
	}

	return reply.JSON(w, http.StatusOK, answer)
}
