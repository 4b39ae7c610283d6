package control

import (
	_ "embed" // of the description
	"errors"
	"net/http"

	"importerd/internal/control/reply"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// plainText is the media type of what people read.
const plainText = "text/plain; charset=utf-8"

// description is what GET /v1/openapi.yaml answers.
//
//go:embed openapi.yaml
var description string

// describe returns the description of all that can be asked.
func (s *Server) describe(w http.ResponseWriter, _ *http.Request) error {
	return reply.Text(w, "application/yaml", description)
}

// health says that we live, whatever else is wrong.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) error {
	return reply.Text(w, plainText, "ok\n")
}

// ready says whether work can be done.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) error {
	if s.o.Draining() {
		return job.ErrDraining
	}

	if err := s.o.Ready(); err != nil {
		return reply.NewFault(http.StatusServiceUnavailable, wire.CodeDegraded, "%s", err)
	}

	return reply.Text(w, plainText, "ready\n")
}

// reload reads the configuration file again.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) error {
	if err := reply.NoInput(r); err != nil {
		return err
	}

	if s.o.Reload == nil {
		return reply.NewFault(http.StatusNotImplemented, wire.CodeUnsupported,
			"this daemon runs without a configuration file: restart it with other options")
	}

	done, err := s.o.Reload(r.Context())
	if errors.Is(err, job.ErrDraining) || r.Context().Err() != nil {
		return err
	}

	if err != nil {
		return reply.NewFault(http.StatusUnprocessableEntity, wire.CodeBadConfig, "%s", err)
	}

	return reply.JSON(w, http.StatusOK, done)
}
