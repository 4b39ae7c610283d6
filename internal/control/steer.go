package control

import (
	"fmt"
	"net/http"

	"importerd/internal/control/reply"
	"importerd/internal/job"
)

// steerJob carries a verb out on the job of the path.
func (s *Server) steerJob(do job.Verb) verb {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := reply.NoInput(r); err != nil {
			return err
		}

		id, err := jobID(r)
		if err != nil {
			return err
		}

		sp, _, err := s.find(id)
		if err != nil {
			return err
		}

		rec, err := sp.Steerer.Steer(r.Context(), id, do)
		if err != nil {
			return fmt.Errorf("%s job %s: %w", do, id, err)
		}

		return reply.JSON(w, steered(do, rec), sp.shown(rec))
	}
}

// steered returns what a verb that was carried out is answered with.
func steered(do job.Verb, rec job.Record) int {
	if do == job.Terminate && !rec.State.Ended() {
		return http.StatusAccepted // its end is certain, but yet to come
	}

	return http.StatusOK
}
