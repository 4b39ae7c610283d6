package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

var (
	// ErrUnreachable says that there is no connection to the daemon: nothing was sent.
	// What the kernel said is wrapped with it: fs.ErrNotExist and ECONNREFUSED mean
	// that nobody listens, fs.ErrPermission that we may not ask.
	ErrUnreachable = errors.New("no daemon")

	// ErrLost says that the connection broke before there was a whole answer: what
	// was asked for may have been done or not.
	ErrLost = errors.New("the connection to the daemon was lost")

	// errNoAnswer ends the wait for an answer.
	errNoAnswer = errors.New("it does not answer")
)

// Error is the daemon's answer that it did not do what was asked for.
type Error struct {
	Code       wire.Code // empty: what answers is no daemon of ours
	Message    string    // for people
	Status     int       // of HTTP
	ID         job.ID    // of the job that it is about; zero: none
	State      job.State // of that job
	RetryAfter time.Duration
}

// Error returns the message for people.
func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the answer is %d %s", e.Status, http.StatusText(e.Status))
	}

	return e.Message
}

// IsCode says whether err is an answer of the daemon with this code.
func IsCode(err error, code wire.Code) bool {
	e, ok := errors.AsType[*Error](err)

	return ok && e.Code == code
}

// maxError bounds how much is read of an answer that is no success, in bytes.
const maxError = 64 << 10

// errorOf returns what an answer that is no success says.
func errorOf(answer *http.Response) error {
	e := &Error{Status: answer.StatusCode}

	if seconds, err := strconv.ParseUint(answer.Header.Get("Retry-After"), 10, 31); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}

	var body wire.Error
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxError)).Decode(&body); err != nil {
		return e
	}

	e.Code, e.Message, e.State = body.Error.Code, body.Error.Message, body.State
	if body.ID != nil {
		e.ID = *body.ID
	}

	return e
}
