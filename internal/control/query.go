package control

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"importerd/internal/config"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// maxWait is how long an answer waits at most for a job's end.
const maxWait = 5 * time.Minute

// parameters returns the query's parameters. Others than the allowed ones, or one
// given twice, are mistakes that somebody should know of.
func parameters(r *http.Request, allowed ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query is malformed: write it as name=value&name=value, escaped")
	}

	given := map[string]string{}

	for key, list := range values {
		if !slices.Contains(allowed, key) {
			return nil, unknownParameter(key, allowed)
		}

		if len(list) > 1 {
			return nil, badRequest("the parameter %s is given %d times: give it once", key, len(list))
		}

		given[key] = list[0]
	}

	return given, nil
}

// unknownParameter says which parameters there are.
func unknownParameter(key string, allowed []string) error {
	if len(allowed) == 0 {
		return badRequest("unknown parameter %q: there are none here", key)
	}

	return badRequest("unknown parameter %q: possible are %s", key, strings.Join(allowed, ", "))
}

// noInput checks that a request that needs neither has no parameters and no body.
func noInput(r *http.Request) error {
	if _, err := parameters(r); err != nil {
		return err
	}

	switch n, err := io.ReadFull(r.Body, make([]byte, 1)); {
	case n > 0:
		return badRequest("this request takes no body")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return bodyFault(err)
	}
}

// duration reads a duration that must be positive.
func duration(what, text string) (time.Duration, error) {
	d, err := config.ParseDuration(text)
	if err != nil {
		return 0, badRequest("%s: %s", what, err)
	}

	if d <= 0 {
		return 0, badRequest("%s: %q is not positive", what, text)
	}

	return d, nil
}

// waiting reads how long to wait for a job's end; none: not at all.
func waiting(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}

	d, err := duration("wait", text)
	if err == nil && d > maxWait {
		err = badRequest("wait: at most %s is possible: use the monitor", config.FormatDuration(maxWait))
	}

	return d, err
}

// jobID reads the id in the path.
func jobID(r *http.Request) (job.ID, error) {
	id, err := job.ParseID(r.PathValue("id"))
	if err != nil {
		return id, newFault(http.StatusNotFound, wire.CodeNotFound, "%s", err)
	}

	return id, nil
}
