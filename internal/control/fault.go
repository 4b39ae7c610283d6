package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"importerd/internal/control/reply"
	"importerd/internal/control/wire"
	"importerd/internal/job"

	"github.com/rs/zerolog"
)

// refuse answers with what err means. Our own mistakes are logged under a number by which
// the log is searched for more: their texts are nobody else's business.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := reply.FaultOf(err)

	switch {
	case f == nil && r.Context().Err() != nil && errors.Is(err, context.Canceled):
		f = reply.BadRequest("the connection was lost")
	case f == nil:
		number := job.NewID().String()
		s.o.Log.Error().Str("error_id", number).Str("method", r.Method).Str("path", r.URL.EscapedPath()).
			Err(err).Msg("request failed")

		f = reply.NewFault(http.StatusInternalServerError, wire.CodeInternal,
			"internal error: the log says more under %s", number)
	case f.Status >= http.StatusInternalServerError:
		s.o.Log.Debug().Str("method", r.Method).Str("path", r.URL.EscapedPath()).Err(err).Msg("request refused")
	}

	_ = f.Tell(w) // has JSON
}

// recovered answers for panics, and hands on the one that ends a connection.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			//nolint:errorlint // a panic's value, compared as net/http does
			if p := recover(); p == http.ErrAbortHandler {
				panic(p)
			} else if p != nil {
				s.refuse(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			}
		}()

		next.ServeHTTP(w, r)
	})
}

// mishaps logs what net/http has to say about connections.
type mishaps struct{ log zerolog.Logger }

// Write logs one line.
func (m mishaps) Write(line []byte) (int, error) {
	m.log.Debug().Str("err", strings.TrimSpace(string(line))).Msg("connection")

	return len(line), nil
}
