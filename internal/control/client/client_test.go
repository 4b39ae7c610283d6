package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// serve answers on a socket and returns its path.
func serve(t *testing.T, path string, handler http.HandlerFunc) string {
	t.Helper()

	listener, err := net.Listen("unix", path)
	must(t, err)

	s := httptest.NewUnstartedServer(handler)
	must(t, s.Listener.Close())
	s.Listener = listener
	s.Start()
	t.Cleanup(s.Close)

	return path
}

// newClient returns a client that is closed in the end.
func newClient(t *testing.T, addr string, o client.Options) *client.Client {
	t.Helper()

	c, err := client.New(addr, o)
	must(t, err)
	t.Cleanup(c.Close)

	return c
}

// double answers on a new socket; what is returned speaks to it.
func double(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()

	return newClient(t, "unix:"+serve(t, filepath.Join(t.TempDir(), "s"), handler), client.Options{Token: "secret"})
}

func answer(t *testing.T, w http.ResponseWriter, status int, v any) {
	t.Helper()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)

	if err := json.NewEncoder(w).Encode(v); err != nil {
		t.Error(err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()

	for _, wrong := range []string{
		"", "unix:", "/run/x.sock", "localhost", "1.2.3.4:http:", ":x", "ftp://host", "http://", "http://u:p@host", "://",
	} {
		if _, err := client.New(wrong, client.Options{}); err == nil {
			t.Errorf("%q is taken for an address", wrong)
		}
	}

	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(t, w, http.StatusOK, wire.Spools{Spools: []wire.Spool{{Name: r.URL.Path}}})
	}))
	t.Cleanup(s.Close)

	host := s.Listener.Addr().String()
	_, port, err := net.SplitHostPort(host)
	must(t, err)

	for addr, want := range map[string]string{
		host: "/v1/spools", ":" + port: "/v1/spools", s.URL: "/v1/spools", s.URL + "/": "/v1/spools",
		s.URL + "/behind/a%20proxy/": "/behind/a proxy/v1/spools",
	} {
		got, err := newClient(t, addr, client.Options{}).Spools(t.Context())
		if err != nil || len(got) != 1 || got[0].Name != want {
			t.Errorf("%s answers %+v, %v", addr, got, err)
		}
	}
}

// A spool's own socket may lie deeper than the kernel lets a path of a socket be.
func TestLongSocketPath(t *testing.T) {
	t.Parallel()

	dir := filepath.Join(t.TempDir(), strings.Repeat("deep", 30))
	must(t, os.Mkdir(dir, 0o755))

	at, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	t.Cleanup(func() { must(t, unix.Close(at)) })

	short := filepath.Join(t.TempDir(), "s")
	serve(t, short, func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, wire.Spools{}) })
	must(t, os.Link(short, filepath.Join(dir, "s")))

	_, err = newClient(t, "unix:"+filepath.Join(dir, "s"), client.Options{}).Spools(t.Context())
	must(t, err)

	_, err = newClient(t, "unix:"+filepath.Join(dir, "none"), client.Options{}).Spools(t.Context())
	if !errors.Is(err, client.ErrUnreachable) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a socket: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "stale"), Net: "unix"})
	must(t, err)
	l.SetUnlinkOnClose(false)
	must(t, l.Close())

	for name, want := range map[string]error{"none": fs.ErrNotExist, "stale": unix.ECONNREFUSED} {
		addr := "unix:" + filepath.Join(dir, name)
		_, err := newClient(t, addr, client.Options{}).Spools(t.Context())

		if !errors.Is(err, client.ErrUnreachable) || !errors.Is(err, want) || errors.Is(err, client.ErrLost) {
			t.Errorf("%s: %v", name, err)
		}

		if text := "no daemon at " + addr + ": "; err == nil || !strings.HasPrefix(err.Error(), text) {
			t.Errorf("%s: says %q, want %q...", name, err, text)
		}
	}
}

// What was asked for may have been done when the daemon dies over it.
func TestLost(t *testing.T) {
	t.Parallel()

	c := double(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })

	if _, err := c.Reload(t.Context()); !errors.Is(err, client.ErrLost) || errors.Is(err, client.ErrUnreachable) {
		t.Errorf("a cut answer: %v", err)
	}

	c = double(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"spools":[`))
		panic(http.ErrAbortHandler)
	})

	if _, err := c.Spools(t.Context()); !errors.Is(err, client.ErrLost) {
		t.Errorf("half an answer: %v", err)
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()

	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	path := serve(t, filepath.Join(t.TempDir(), "s"), hang)
	c := newClient(t, "unix:"+path, client.Options{Answer: time.Millisecond})

	_, err := c.Spools(t.Context())
	if !errors.Is(err, client.ErrLost) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a daemon that hangs: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err = newClient(t, "unix:"+path, client.Options{}).Spools(ctx)
	if !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrLost) || errors.Is(err, client.ErrUnreachable) {
		t.Errorf("a caller that goes away: %v", err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()

	id := job.NewID()
	c := double(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer secret":
			t.Errorf("the token is %q", r.Header.Get("Authorization"))
		case strings.HasSuffix(r.URL.Path, "/busy/start"):
			w.Header().Set("Retry-After", "3")
			answer(t, w, http.StatusServiceUnavailable, wire.Error{
				Error: wire.Fault{Code: wire.CodeBusy, Message: "busy: it runs"}, ID: &id, State: job.Processing,
			})
		case strings.HasSuffix(r.URL.Path, "/proxy/start"):
			http.Error(w, "<html>Bad gateway", http.StatusBadGateway)
		case strings.HasSuffix(r.URL.Path, "/moved/start"):
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		default:
			answer(t, w, http.StatusAccepted, []string{"no job"})
		}
	})

	_, err := c.Start(t.Context(), "busy", "", job.ID{}, client.Body{})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != wire.CodeBusy || e.ID != id ||
		e.State != job.Processing || e.Status != 503 || e.RetryAfter != 3*time.Second || e.Error() != "busy: it runs" {
		t.Errorf("busy is told as %#v", err)
	}

	if !client.IsCode(err, wire.CodeBusy) || client.IsCode(err, wire.CodePaused) || client.IsCode(io.EOF, "") {
		t.Error("codes are mixed up")
	}

	for spool, want := range map[string]string{
		"proxy": "the answer is 502 Bad Gateway", "moved": "the answer is 302 Found", "other": "makes no sense",
	} {
		_, err := c.Start(t.Context(), spool, "", job.ID{}, client.Body{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spool, err, want)
		}
	}
}

// Names are bytes, and nothing in them leads to another path.
func TestPathsAndQueries(t *testing.T) {
	t.Parallel()

	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathSpoolPause, func(w http.ResponseWriter, r *http.Request) {
		answer(t, w, http.StatusOK, nil)

		if r.PathValue("spool") != "../a/b {c}" {
			t.Errorf("the spool is %q", r.PathValue("spool"))
		}
	})
	mux.HandleFunc("GET "+wire.PathExplain, func(w http.ResponseWriter, r *http.Request) {
		answer(t, w, http.StatusOK, wire.Explanation{Name: r.FormValue("spool"), Jobs: []wire.Job{{
			Name: r.FormValue("name"),
		}}})

		if r.FormValue("name") != "a&b=\xff" {
			t.Errorf("the name is %q", r.FormValue("name"))
		}
	})
	mux.HandleFunc("POST "+wire.PathVerb, func(w http.ResponseWriter, r *http.Request) {
		answer(t, w, http.StatusOK, map[string]string{"id": r.PathValue("id"), "name": r.PathValue("verb")})
	})

	c := double(t, mux.ServeHTTP)
	must(t, c.PauseSpool(t.Context(), "../a/b {c}"))

	if e, err := c.Explain(t.Context(), "x", "a&b=\xff"); err != nil || e.Name != "x" {
		t.Errorf("it explains %+v, %v", e, err)
	}

	id := job.NewID()
	if j, err := c.Steer(t.Context(), id, job.Terminate); err != nil || j.ID != id || j.Name != "terminate" {
		t.Errorf("steered: %+v, %v", j, err)
	}
}

func TestAllJobs(t *testing.T) {
	t.Parallel()

	pages := map[string]wire.Jobs{
		"":   {Jobs: []wire.Job{{Name: "a"}, {Name: "b"}}, After: "b"},
		"b":  {Jobs: []wire.Job{{Name: "c"}}, After: "c"},
		"c":  {After: "c2"}, // a filter may leave nothing of a page
		"c2": {Jobs: []wire.Job{{Name: "d"}}},
	}
	c := double(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("state") != "failed" || r.FormValue("limit") != "2" || r.Form.Has("name") {
			t.Errorf("asked for %s", r.URL.RawQuery)
		}

		answer(t, w, http.StatusOK, pages[r.FormValue("after")])
	})

	names := ""

	for j, err := range c.AllJobs(t.Context(), client.Query{State: job.Failed, Limit: 2}) {
		must(t, err)

		names += j.Name
	}

	if names != "abcd" {
		t.Errorf("listed: %s", names)
	}
}

func TestBulk(t *testing.T) {
	t.Parallel()

	c := double(t, func(w http.ResponseWriter, r *http.Request) {
		var b wire.Bulk
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil || b.Since != "2h0m0s" || b.Match != "*.csv" {
			t.Errorf("asked for %+v, %v", b, err)
		}

		answer(t, w, http.StatusOK, wire.BulkAnswer{Jobs: []wire.Job{{Name: r.URL.Path}}})
	})

	for verb, want := range map[job.Verb]string{job.Retry: wire.PathBulkRetry, job.Terminate: wire.PathBulkEnd} {
		got, err := c.Bulk(t.Context(), verb, wire.Bulk{Spool: "s", Since: "2h0m0s", Match: "*.csv"})
		if err != nil || len(got.Jobs) != 1 || got.Jobs[0].Name != want {
			t.Errorf("%s: %+v, %v", verb, got, err)
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()

	go1 := make(chan struct{}) // the test closes it when it has read the first part
	c := double(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")

		if r.FormValue("follow") == "true" {
			must(t, http.NewResponseController(w).Flush())
			<-go1
			panic(http.ErrAbortHandler)
		}
	})

	log, err := c.Log(t.Context(), job.NewID(), false)
	must(t, err)

	text, err := io.ReadAll(log)
	if err != nil || string(text) != "first\n" {
		t.Errorf("the log is %q, %v", text, err)
	}

	must(t, log.Close())

	log, err = c.Log(t.Context(), job.NewID(), true)
	must(t, err)

	_, err = io.ReadFull(log, make([]byte, 6))
	must(t, err)
	close(go1)

	if _, err := io.ReadAll(log); !errors.Is(err, client.ErrLost) {
		t.Errorf("a log that is cut ends with %v", err)
	}

	must(t, log.Close())
}
