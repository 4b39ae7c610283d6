package reply

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"importerd/internal/config"
)

// maxJSON is how long the JSON of a request may be, in bytes.
const maxJSON = 1 << 20

// Parameters returns the query's parameters. Others than the allowed ones, or one
// given twice, are mistakes that somebody should know of.
func Parameters(r *http.Request, allowed ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, BadRequest("the query is malformed: write it as name=value&name=value, escaped")
	}

	given := map[string]string{}

	for key, list := range values {
		if !slices.Contains(allowed, key) {
			return nil, unknown(key, allowed)
		}

		if len(list) > 1 {
			return nil, BadRequest("the parameter %s is given %d times: give it once", key, len(list))
		}

		given[key] = list[0]
	}

	return given, nil
}

// unknown says which parameters there are.
func unknown(key string, allowed []string) error {
	if len(allowed) == 0 {
		return BadRequest("unknown parameter %q: there are none here", key)
	}

	return BadRequest("unknown parameter %q: possible are %s", key, strings.Join(allowed, ", "))
}

// NoInput checks that a request has neither parameters nor a body, as it needs none.
func NoInput(r *http.Request) error {
	if _, err := Parameters(r); err != nil {
		return err
	}

	switch n, err := io.ReadFull(r.Body, make([]byte, 1)); {
	case n > 0:
		return BadRequest("this request takes no body")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return BodyFault(err)
	}
}

// Duration reads a duration that must be positive; what it is called is told.
func Duration(what, text string) (time.Duration, error) {
	d, err := config.ParseDuration(text)
	if err != nil {
		return 0, BadRequest("%s: %s", what, err)
	}

	if d <= 0 {
		return 0, BadRequest("%s: %q is not positive", what, text)
	}

	return d, nil
}

// ReadJSON reads the JSON of a request. It must say that it is JSON: the forms of a
// foreign page cannot.
func ReadJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if _, err := Parameters(r); err != nil {
		return err
	}

	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return BadRequest("the body must be JSON: send Content-Type: application/json")
	}

	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSON))
	if err != nil {
		return BodyFault(err)
	}

	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()

	if err := d.Decode(into); err != nil {
		return BadRequest("the body makes no sense: %s", err)
	}

	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return BadRequest("the body makes no sense: something follows the JSON")
	}

	return nil
}
