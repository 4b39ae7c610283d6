package control

import (
	_ "embed" // of the description
	"errors"
	"net/http"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// description is what GET /v1/openapi.yaml answers.
//
//go:embed openapi.yaml
var description string

// describe returns the description of all that can be asked.
func (s *Server) describe(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")

	_, _ = w.Write([]byte(description)) // who went away hears nothing

	return nil
}

// health says that we live, whatever else is wrong.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error { return tellText(w, "ok\n") }

// ready says whether work can be done.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	if s.o.Draining() {
		return job.ErrDraining
	}

	if err := s.o.Ready(); err != nil {
		return newFault(http.StatusServiceUnavailable, wire.CodeDegraded, "%s", err)
	}

	return tellText(w, "ready\n")
}

// reload reads the configuration file again.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) error {
	if err := noInput(r); err != nil {
		return err
	}

	if s.o.Reload == nil {
		return newFault(http.StatusNotImplemented, wire.CodeUnsupported,
			"this daemon runs without a configuration file: restart it with other options")
	}

	err := s.o.Reload(r.Context())
	if errors.Is(err, job.ErrDraining) {
		return err //nolint:wrapcheck // it says it all
	}

	if err != nil {
		return newFault(http.StatusUnprocessableEntity, wire.CodeBadConfig, "%s", err)
	}

	w.WriteHeader(http.StatusNoContent)

	return nil
}
