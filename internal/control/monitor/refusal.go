package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// comeBack is after how many seconds one who was not let in may try again.
const comeBack = 5

// refusal says why a client is not served, for HTTP and for people.
type refusal struct {
	status int
	code   wire.Code
	err    error
}

// Error says it for people.
func (r *refusal) Error() string { return r.err.Error() }

// Unwrap returns why.
func (r *refusal) Unwrap() error { return r.err }

// badWatch refuses what makes no sense.
func badWatch(err error) error {
	return &refusal{http.StatusBadRequest, wire.CodeBadRequest, err}
}

// noSpool refuses a spool that there is not.
func noSpool(name string) error {
	return &refusal{http.StatusNotFound, wire.CodeNotFound, fmt.Errorf("there is no spool %s", strconv.Quote(name))}
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	r, ok := errors.AsType[*refusal](err)

	switch {
	case ok:
	case errors.Is(err, errFull):
		r = &refusal{http.StatusTooManyRequests, wire.CodeTooMany, err}
	case errors.Is(err, job.ErrDraining):
		r = &refusal{http.StatusServiceUnavailable, wire.CodeDraining, err}
	default:
		r = &refusal{http.StatusInternalServerError, wire.CodeInternal, err}
	}

	if r.status >= http.StatusInternalServerError || r.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(comeBack))
	}

	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(r.status)

	// Nobody can be told that the client has gone.
	_ = json.NewEncoder(w).Encode(wire.Error{Error: wire.Fault{Code: r.code, Message: r.Error()}})
}
