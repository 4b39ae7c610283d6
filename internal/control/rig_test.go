package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"importerd/internal/control"
	"importerd/internal/control/wire"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "0123456789abcdef-secret"

// rig is a server that listens, and a client whose answers are checked.
type rig struct {
	t        *testing.T
	addr     net.Addr
	client   *http.Client
	spools   []*double
	options  control.Options
	log      lockedBuffer
	draining atomic.Bool
	stop     context.CancelFunc
	ended    chan error // Serve's goroutine sends once
}

// lockedBuffer takes the log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.b.String()
}

// prepare makes a server with spools of these names, none: one, that does not listen yet.
func prepare(t *testing.T, names ...string) *rig {
	t.Helper()

	if len(names) == 0 {
		names = []string{"orders"}
	}

	r := &rig{t: t, ended: make(chan error, 1)}

	var spools []*control.Spool

	for _, name := range names {
		d := newDouble(t, name)
		r.spools = append(r.spools, d)
		spools = append(spools, d.spool())
	}

	r.options = control.Options{
		Spools: func() []*control.Spool { return spools }, Draining: r.draining.Load,
		Log: zerolog.New(&r.log), Version: "1.2.3", Stop: 5 * time.Second,
	}

	return r
}

// unix has it listen on a socket.
func (r *rig) unix() *rig {
	r.t.Helper()

	dir, err := os.MkdirTemp("", "control") // a short path: the kernel takes no long ones
	must(r.t, err)
	r.t.Cleanup(func() { _ = os.RemoveAll(dir) })

	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	must(r.t, err)

	return r.serve(l)
}

// tcp has it listen on loopback, with a token.
func (r *rig) tcp() *rig {
	r.t.Helper()

	if r.options.Token == nil {
		r.options.Token = func() string { return token }
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(r.t, err)

	return r.serve(l)
}

func (r *rig) serve(l net.Listener) *rig {
	r.t.Helper()

	s, err := control.New(r.options)
	must(r.t, err)

	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.addr = stop, l.Addr()

	go func() { r.ended <- s.Serve(ctx, l) }()

	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return r.dial(ctx) },
	}
	r.client = &http.Client{
		Transport:     newDescribed(r.t, transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	r.t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()

		if err := <-r.ended; err != nil {
			r.t.Errorf("it ended with %v", err)
		}

		r.ended <- nil
	})

	return r
}

func (r *rig) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer

	return d.DialContext(ctx, r.addr.Network(), r.addr.String())
}

// reply is an answer that was read.
type reply struct {
	*http.Response

	text string
}

// header is a pair of strings for a header.
type header [2]string

func (r *rig) do(method, path string, body io.Reader, headers ...header) reply {
	r.t.Helper()

	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://localhost"+path, body)
	must(r.t, err)

	if r.addr.Network() == "tcp" {
		req.Host = r.addr.String()
		req.Header.Set("Authorization", "Bearer "+token)
	}

	for _, h := range headers {
		if h[0] == "Host" {
			req.Host = h[1]
		} else {
			req.Header.Set(h[0], h[1])
		}
	}

	answer, err := r.client.Do(req)
	must(r.t, err)

	defer answer.Body.Close()

	text, err := io.ReadAll(answer.Body)
	must(r.t, err)

	return reply{answer, string(text)}
}

func (r *rig) get(path string) reply { r.t.Helper(); return r.do(http.MethodGet, path, nil) }

func (r *rig) post(path, body string, headers ...header) reply {
	r.t.Helper()

	var from io.Reader
	if body != "" {
		from = bytes.NewReader([]byte(body))
	}

	return r.do(http.MethodPost, path, from, headers...)
}

// want checks status and, of an error, code.
func (a reply) want(t *testing.T, status int, code wire.Code) reply {
	t.Helper()

	if a.StatusCode != status {
		t.Errorf("%s %s: %d %s", a.Request.Method, a.Request.URL, a.StatusCode, a.text)
	}

	if code == "" {
		return a
	}

	if e := read[wire.Error](t, a); e.Error.Code != code || e.Error.Message == "" {
		t.Errorf("%s %s: %s, not %s", a.Request.Method, a.Request.URL, a.text, code)
	}

	return a
}

// read reads the JSON of an answer.
func read[T any](t *testing.T, a reply) T {
	t.Helper()

	var v T
	if err := json.Unmarshal([]byte(a.text), &v); err != nil {
		t.Errorf("%s %s: %s: %v", a.Request.Method, a.Request.URL, a.text, err)
	}

	return v
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition that comes true by itself.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()

	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()

	for deadline := time.Now().Add(30 * time.Second); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("in 30 s: not %s", what)
		}
	}
}

// jsonBody is the header of a body that is JSON.
var jsonBody = header{"Content-Type", "application/json"} //nolint:gochecknoglobals // nobody writes to it
