package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"

	"github.com/rs/zerolog"
)

// fault is an answer that is no success.
type fault struct {
	status int
	body   wire.Error
	retry  time.Duration // after which it may be otherwise; zero: not by itself
}

// Error returns what people read.
func (f *fault) Error() string { return f.body.Error.Message }

// newFault returns a fault.
func newFault(status int, code wire.Code, format string, args ...any) *fault {
	return &fault{status: status, body: wire.Error{Error: wire.Fault{Code: code, Message: fmt.Sprintf(format, args...)}}}
}

// badRequest returns the fault of a request that makes no sense. The message says what to do.
func badRequest(format string, args ...any) *fault {
	return newFault(http.StatusBadRequest, wire.CodeBadRequest, format, args...)
}

// notFound returns the fault of a request for what is not there.
func notFound(format string, args ...any) *fault {
	return newFault(http.StatusNotFound, wire.CodeNotFound, format, args...)
}

// about adds the job that it is about.
func (f *fault) about(id job.ID, state job.State) *fault {
	f.body.ID, f.body.State = &id, state

	return f
}

// known are the errors that say what is wrong, and what is answered. Their own texts are
// for the log: paths may be in them. The first one that fits counts.
//
//nolint:gochecknoglobals // a table that nobody writes to
var known = []struct {
	is      error
	status  int
	code    wire.Code
	message string
	retry   time.Duration
}{
	{
		job.ErrDraining, http.StatusServiceUnavailable, wire.CodeDraining,
		"the daemon is about to end: it takes no new work", 5 * time.Second,
	},
	{
		job.ErrPaused, http.StatusServiceUnavailable, wire.CodePaused,
		"the spool is paused: resume it first", 30 * time.Second,
	},
	{
		job.ErrDegraded, http.StatusServiceUnavailable, wire.CodeDegraded,
		"the spool does not work at the moment: its status says why", 5 * time.Second,
	},
	{
		job.ErrUntrusted, http.StatusServiceUnavailable, wire.CodeDegraded,
		"the spool's disk cannot be trusted any more: its status says why", 30 * time.Second,
	},
	{
		job.ErrDisk, http.StatusInsufficientStorage, wire.CodeDisk,
		"the spool's disk refuses it: nothing was changed", 0,
	},
	{fs.ErrNotExist, http.StatusNotFound, wire.CodeNotFound, "there is no such job any more", 0},
}

// faultOf returns what is answered for err; nil: it is our own mistake.
func faultOf(err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}

	if busy, ok := errors.AsType[*job.BusyError](err); ok {
		f := newFault(http.StatusServiceUnavailable, wire.CodeBusy, "%s: one at a time", busy).about(busy.ID, busy.State)
		f.retry = time.Second

		return f
	}

	if state, ok := errors.AsType[*job.StateError](err); ok {
		return newFault(http.StatusConflict, wire.CodeConflict, "%s", state).about(state.ID, state.State)
	}

	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return newFault(http.StatusRequestEntityTooLarge, wire.CodeTooLarge,
			"the body is too large: at most %d bytes are possible", large.Limit)
	}

	for _, k := range known {
		if errors.Is(err, k.is) {
			f := newFault(k.status, k.code, "%s", k.message)
			f.retry = k.retry

			return f
		}
	}

	return nil
}

// bodyFault returns what is answered when a body could not be read.
func bodyFault(err error) *fault {
	if f := faultOf(err); f != nil {
		return f
	}

	if errors.Is(err, os.ErrDeadlineExceeded) {
		return badRequest("the body came too slowly: nothing was kept")
	}

	return badRequest("the body ended early or is malformed: nothing was kept")
}

// refuse answers with what err means. Our own mistakes are logged under a number by which
// the log is searched for more: their texts are nobody else's business.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := faultOf(err)

	switch {
	case f == nil && r.Context().Err() != nil && errors.Is(err, context.Canceled):
		f = badRequest("the connection was lost")
	case f == nil:
		number := job.NewID().String()
		s.o.Log.Error().Str("error_id", number).Str("method", r.Method).Str("path", r.URL.EscapedPath()).
			Err(err).Msg("request failed")

		f = newFault(http.StatusInternalServerError, wire.CodeInternal, "internal error: the log says more under %s", number)
	case f.status >= http.StatusInternalServerError:
		s.o.Log.Debug().Str("method", r.Method).Str("path", r.URL.EscapedPath()).Err(err).Msg("request refused")
	}

	if f.status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close") // the rest is not worth reading
	}

	retryIn(w, f.retry)

	_ = tell(w, f.status, f.body) // has JSON
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
