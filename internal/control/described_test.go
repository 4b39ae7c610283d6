package control_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"importerd/internal/control/wire"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// described is a transport that checks each answer against the description.
type described struct {
	t      *testing.T
	next   http.RoundTripper
	router routers.Router
}

// description reads the description. Clients must pass over fields that they do not
// know; here all must be described.
func description(t *testing.T) *openapi3.T {
	t.Helper()

	text, err := os.ReadFile("openapi.yaml")
	must(t, err)

	doc, err := openapi3.NewLoader().LoadFromData(text)
	must(t, err)
	must(t, doc.Validate(t.Context()))

	doc.Servers = nil // the router would want a host

	for _, schema := range doc.Components.Schemas {
		seal(schema.Value)
	}

	return doc
}

// seal allows an object no other fields than those described.
func seal(s *openapi3.Schema) {
	if s.Properties == nil {
		return
	}

	no := false
	s.AdditionalProperties.Has = &no

	for _, property := range s.Properties {
		if property.Ref == "" {
			seal(property.Value)
		}
	}
}

func newDescribed(t *testing.T, next http.RoundTripper) *described {
	t.Helper()

	router, err := legacy.NewRouter(description(t))
	must(t, err)

	return &described{t: t, next: next, router: router}
}

func (d *described) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}

	route, params, err := d.router.FindRoute(r)
	if err != nil { // there is no such path, or not with this method: an error of ours all the same
		kind := answer.Header.Get("Content-Type")
		if (answer.StatusCode < 400 || kind != "application/json") && r.Method != http.MethodHead {
			d.t.Errorf("%s %s: %d comes as %q", r.Method, r.URL, answer.StatusCode, kind)
		}

		return answer, nil
	}

	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 answer.StatusCode, Header: answer.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}

	if strings.Contains(r.URL.RawQuery, "follow") || answer.StatusCode == http.StatusSwitchingProtocols {
		input.Options.ExcludeResponseBody = true
	} else {
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, err
		}

		answer.Body = io.NopCloser(bytes.NewReader(text))
		input.Body = io.NopCloser(bytes.NewReader(text))
		input.Options.ExcludeResponseBody = len(text) == 0
	}

	if err := openapi3filter.ValidateResponse(r.Context(), input); err != nil {
		d.t.Errorf("%s %s is not as described: %v", r.Method, r.URL, err)
	}

	return answer, nil
}

// The transport would say nothing if it looked at nothing.
func TestDescribedNotices(t *testing.T) {
	t.Parallel()

	router, err := legacy.NewRouter(description(t))
	must(t, err)

	for name, text := range map[string]string{
		"unknown field": `{"jobs":[],"more":1}`,
		"wrong type":    `{"jobs":{}}`,
		"missing":       `{}`,
		"deep":          `{"jobs":[{"id":"x"}]}`,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/v1/jobs", nil)
		must(t, err)

		route, params, err := router.FindRoute(r)
		must(t, err)

		err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
			Status:                 http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(text)),
		})
		if err == nil {
			t.Errorf("%s: %s passes", name, text)
		}
	}
}

// What goes over the connection is described, field by field and path by path.
func TestDescriptionIsWhole(t *testing.T) {
	t.Parallel()

	doc := description(t)

	for name, v := range map[string]any{
		"Job": wire.Job{}, "Jobs": wire.Jobs{}, "Bulk": wire.Bulk{}, "BulkAnswer": wire.BulkAnswer{},
		"Explanation": wire.Explanation{}, "Spools": wire.Spools{}, "Spool": wire.Spool{}, "Daemon": wire.Daemon{},
		"Reason": wire.Reason{}, "Error": wire.Error{}, "Watch": wire.Watch{}, "Event": wire.Event{},
	} {
		schema := doc.Components.Schemas[name].Value

		var fields, needed []string

		for field := range reflect.TypeOf(v).Fields() {
			tag, option, optional := strings.Cut(field.Tag.Get("json"), ",")
			fields = append(fields, tag)

			if !optional || !strings.HasPrefix(option, "omit") {
				needed = append(needed, tag)
			}
		}

		var described []string
		for property := range schema.Properties {
			described = append(described, property)
		}

		if !same(fields, described) {
			t.Errorf("%s has the fields %v, described are %v", name, fields, described)
		}

		if !same(needed, schema.Required) {
			t.Errorf("%s always has the fields %v, required are %v", name, needed, schema.Required)
		}
	}

	paths := []string{
		wire.PathSpools, wire.PathSpool, wire.PathSpoolPause, wire.PathSpoolResume, wire.PathSweep, wire.PathFiles,
		wire.PathSpoolStart, wire.PathStart, wire.PathJobs, wire.PathJob, wire.PathLog, wire.PathVerb, wire.PathBulkRetry,
		wire.PathBulkEnd, wire.PathMonitor, wire.PathEvents, wire.PathExplain, wire.PathReload, wire.PathHealth,
		wire.PathReady, wire.PathMetrics, wire.PathOpenAPI,
	}

	if described := slices.Collect(func(yield func(string) bool) {
		for path := range doc.Paths.Map() {
			if !yield(path) {
				return
			}
		}
	}); !same(paths, described) {
		t.Errorf("described are %v, not %v", described, paths)
	}
}

func same(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)

	return slices.Equal(a, b)
}
