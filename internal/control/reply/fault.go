package reply

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// Fault is an answer that is no success. As an error it travels like others.
type Fault struct {
	Status int
	Body   wire.Error
	Retry  time.Duration // after which it may be otherwise; zero: not by itself
}

// Error returns what people read.
func (f *Fault) Error() string { return f.Body.Error.Message }

// NewFault returns a fault. The message says what to do.
func NewFault(status int, code wire.Code, format string, args ...any) *Fault {
	return &Fault{Status: status, Body: wire.Error{Error: wire.Fault{Code: code, Message: fmt.Sprintf(format, args...)}}}
}

// BadRequest returns the fault of a request that makes no sense.
func BadRequest(format string, args ...any) *Fault {
	return NewFault(http.StatusBadRequest, wire.CodeBadRequest, format, args...)
}

// BadName returns the fault of a request with a name that no file may have.
func BadName(format string, args ...any) *Fault {
	return NewFault(http.StatusBadRequest, wire.CodeBadName, format, args...)
}

// NotFound returns the fault of a request for what is not there.
func NotFound(format string, args ...any) *Fault {
	return NewFault(http.StatusNotFound, wire.CodeNotFound, format, args...)
}

// About adds the job that it is about.
func (f *Fault) About(id job.ID, state job.State) *Fault {
	f.Body.ID, f.Body.State = &id, state

	return f
}

// Tell answers with the fault.
func (f *Fault) Tell(w http.ResponseWriter) error {
	if f.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.Retry.Seconds())))
	}

	return JSON(w, f.Status, f.Body)
}

// known are the errors that say what is wrong, and what is answered. Their own texts
// are for the log: paths may be in them. The first one that fits counts.
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

// FaultOf returns what is answered for err; nil: it is our own mistake.
func FaultOf(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}

	if busy, ok := errors.AsType[*job.BusyError](err); ok {
		f := NewFault(http.StatusServiceUnavailable, wire.CodeBusy, "%s: one at a time", busy).About(busy.ID, busy.State)
		f.Retry = time.Second

		return f
	}

	if state, ok := errors.AsType[*job.StateError](err); ok {
		return NewFault(http.StatusConflict, wire.CodeConflict, "%s", state).About(state.ID, state.State)
	}

	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return NewFault(http.StatusRequestEntityTooLarge, wire.CodeTooLarge,
			"the body is too large: at most %d bytes are possible", large.Limit)
	}

	for _, k := range known {
		if errors.Is(err, k.is) {
			f := NewFault(k.status, k.code, "%s", k.message)
			f.Retry = k.retry

			return f
		}
	}

	return nil
}

// BodyFault returns what is answered when a body could not be read.
func BodyFault(err error) *Fault {
	if f := FaultOf(err); f != nil {
		return f
	}

	if errors.Is(err, os.ErrDeadlineExceeded) {
		return BadRequest("the body came too slowly: nothing was kept")
	}

	return BadRequest("the body ended early or is malformed: nothing was kept")
}
