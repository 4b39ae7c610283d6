package control_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

func TestSpools(t *testing.T) {
	t.Parallel()

	r := prepare(t, "orders", "clicks").unix()

	all := read[wire.Spools](t, r.get("/v1/spools").want(t, http.StatusOK, ""))
	if len(all.Spools) != 2 || all.Spools[0].Name != "orders" || all.Spools[1].Name != "clicks" {
		t.Errorf("%+v", all)
	}

	if all.Daemon.Version != "1.2.3" {
		t.Errorf("%+v", all.Daemon)
	}

	if one := read[wire.Spool](t, r.get("/v1/spools/clicks").want(t, http.StatusOK, "")); one.Name != "clicks" {
		t.Errorf("%+v", one)
	}

	a := r.get("/v1/spools/none").want(t, http.StatusNotFound, wire.CodeNotFound)
	if !strings.Contains(a.text, "orders, clicks") {
		t.Errorf("it does not say what there is: %s", a.text)
	}
}

func TestPauseSpool(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	for range 2 { // the second time is harmless
		if s := read[wire.Spool](t, r.post("/v1/spools/orders/pause", "").want(t, http.StatusOK, "")); !s.Paused {
			t.Error("not paused")
		}
	}

	if s := read[wire.Spool](t, r.post("/v1/spools/orders/resume", "").want(t, http.StatusOK, "")); s.Paused {
		t.Error("still paused")
	}

	r.post("/v1/spools/none/pause", "").want(t, http.StatusNotFound, wire.CodeNotFound)
	r.post("/v1/spools/orders/pause", "x").want(t, http.StatusBadRequest, wire.CodeBadRequest)
	r.spools[0].fail(job.ErrDegraded)
	r.post("/v1/spools/orders/pause", "").want(t, http.StatusServiceUnavailable, wire.CodeDegraded)
}

func TestSweep(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	r.post("/v1/spools/orders/sweep", "").want(t, http.StatusAccepted, "")

	if n := r.spools[0].sweeps.Load(); n != 1 {
		t.Errorf("%d sweeps", n)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/spools/", "//v1/spools", "/v1/../v1/spools", "/v1/spools/orders/../orders", "/favicon.ico",
		"/debug/pprof/", "/v1/jobs/x/y", "/metrics", "/v1/monitor", "/v1/events",
	} {
		r.get(path).want(t, http.StatusNotFound, wire.CodeNotFound)
	}

	r.post("/v1/jobs/"+job.NewID().String()+"/delete", "").want(t, http.StatusNotFound, wire.CodeNotFound)

	a := r.do(http.MethodPut, "/v1/spools", nil).want(t, http.StatusMethodNotAllowed, wire.CodeMethod)
	if allow := a.Header.Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("allowed are %s", allow)
	}

	r.get("/v1/jobs/retry").want(t, http.StatusMethodNotAllowed, wire.CodeMethod)
	r.do(http.MethodOptions, "/v1/spools", nil).want(t, http.StatusMethodNotAllowed, wire.CodeMethod)
	r.do("BREW", "/v1/spools", nil).want(t, http.StatusMethodNotAllowed, wire.CodeMethod)

	// A method that a header names means nothing.
	r.do(http.MethodGet, "/v1/spools/orders/pause", nil, header{"X-HTTP-Method-Override", "POST"},
		header{"X-Method-Override", "POST"}).want(t, http.StatusMethodNotAllowed, wire.CodeMethod)

	if r.spools[0].status().Paused {
		t.Error("paused by a header")
	}

	a = r.do(http.MethodHead, "/v1/spools", nil).want(t, http.StatusOK, "")
	if a.text != "" || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: %q %v", a.text, a.Header)
	}

	r.get("/v1/spools?x=1").want(t, http.StatusBadRequest, wire.CodeBadRequest)
}

func TestExplain(t *testing.T) {
	t.Parallel()

	r := prepare(t, "orders", "clicks").unix()
	for range 12 {
		r.spools[1].put(job.Record{Name: "a.csv", State: job.Done})
	}

	e := read[wire.Explanation](t, r.get("/v1/explain?spool=clicks&name=a.csv").want(t, http.StatusOK, ""))
	if e.Standing != job.Settling || e.Reason != job.ReasonOpen || e.Until != 1.5 || e.Spool != "clicks" ||
		len(e.Jobs) != 10 {
		t.Errorf("%+v", e)
	}

	e = read[wire.Explanation](t, r.get("/v1/explain?spool=orders&name=none").want(t, http.StatusOK, ""))
	if e.Standing != "" || len(e.Jobs) != 0 {
		t.Errorf("%+v", e)
	}

	e = read[wire.Explanation](t, r.get("/v1/explain?spool=orders&name=.a%FF.tmp").want(t, http.StatusOK, ""))
	if e.Name != `.a\xff.tmp` || e.NameB64 == "" {
		t.Errorf("%+v", e)
	}

	for _, name := range []string{"", ".", "..", "..%2F..%2Fetc%2Fpasswd", "a%00", strings.Repeat("a", 256)} {
		r.get("/v1/explain?spool=orders&name="+name).want(t, http.StatusBadRequest, wire.CodeBadName)
	}

	r.get("/v1/explain?name=a").want(t, http.StatusBadRequest, wire.CodeBadRequest)
	r.get("/v1/explain?spool=none&name=a").want(t, http.StatusNotFound, wire.CodeNotFound)
	prepare(t).unix().get("/v1/explain?name=a").want(t, http.StatusOK, "")
}

func TestDaemon(t *testing.T) {
	t.Parallel()

	var ready, reload error

	r := prepare(t)
	r.options.Ready = func() error { return ready }
	r.unix()

	if a := r.get("/healthz").want(t, http.StatusOK, ""); a.text != "ok\n" {
		t.Error(a.text)
	}

	r.get("/readyz").want(t, http.StatusOK, "")
	r.post("/v1/reload", "").want(t, http.StatusNotImplemented, wire.CodeUnsupported)

	ready = errors.New("orders: not mounted")
	a := r.get("/readyz").want(t, http.StatusServiceUnavailable, wire.CodeDegraded)
	if !strings.Contains(a.text, "not mounted") {
		t.Error(a.text)
	}

	r.draining.Store(true)
	r.get("/readyz").want(t, http.StatusServiceUnavailable, wire.CodeDraining)
	r.get("/healthz").want(t, http.StatusOK, "")

	if a := r.get("/v1/openapi.yaml").want(t, http.StatusOK, ""); !strings.HasPrefix(a.text, "openapi: 3.1") {
		t.Error(a.text)
	}

	r = prepare(t)
	r.options.Reload = func(context.Context) (wire.Reloaded, error) {
		return wire.Reloaded{Added: []string{"new"}, Removed: []string{}, Changed: []string{}}, reload
	}
	r.options.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte("up 1\n"))
	})
	r.unix()

	if done := read[wire.Reloaded](t, r.post("/v1/reload", "").want(t, http.StatusOK, "")); done.Added[0] != "new" {
		t.Errorf("%+v", done)
	}

	r.get("/metrics").want(t, http.StatusOK, "")

	reload = errors.New("importerd.toml:3: workers must be a number")
	a = r.post("/v1/reload", "").want(t, http.StatusUnprocessableEntity, wire.CodeBadConfig)
	if !strings.Contains(a.text, ":3:") {
		t.Error(a.text)
	}

	reload = job.ErrDraining
	r.post("/v1/reload", "").want(t, http.StatusServiceUnavailable, wire.CodeDraining)
}

// What is wrong with us is nobody's business but the log's.
func TestInternalErrors(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	r.spools[0].fail(errors.New("open db: wrong password hunter2"))

	a := r.get("/v1/jobs").want(t, http.StatusInternalServerError, wire.CodeInternal)
	if strings.Contains(a.text, "hunter2") || strings.Contains(a.text, "secret") {
		t.Errorf("it tells: %s", a.text)
	}

	words := strings.Fields(read[wire.Error](t, a).Error.Message)
	if number := words[len(words)-1]; !strings.Contains(r.log.String(), number) {
		t.Errorf("the log has no %s: %s", number, r.log.String())
	}

	for err, code := range map[error]wire.Code{
		job.ErrDegraded: wire.CodeDegraded, job.ErrUntrusted: wire.CodeDegraded, job.ErrDraining: wire.CodeDraining,
	} {
		r.spools[0].fail(err)

		a := r.get("/v1/jobs").want(t, http.StatusServiceUnavailable, code)
		if strings.Contains(a.text, "secret") || a.Header.Get("Retry-After") == "" {
			t.Errorf("%v: %s, %v", err, a.text, a.Header)
		}
	}

	r.spools[0].fail(job.ErrDisk)
	r.get("/v1/jobs").want(t, http.StatusInsufficientStorage, wire.CodeDisk)
}
