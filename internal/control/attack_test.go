package control_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"importerd/internal/control/wire"

	"github.com/rs/zerolog"
)

// socket is a connection whose other end is spoken to byte by byte.
type socket struct {
	net.Conn

	t      *testing.T
	reader *bufio.Reader
}

func (r *rig) socket() socket {
	r.t.Helper()

	conn, err := r.dial(r.t.Context())
	must(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	must(r.t, conn.SetDeadline(time.Now().Add(30*time.Second)))

	return socket{conn, r.t, bufio.NewReader(conn)}
}

// send sends text; a connection that is cut meanwhile is no mistake.
func (s socket) send(text string) error {
	_, err := io.WriteString(s.Conn, text)

	return err
}

// answer reads one answer; status 0: the connection ended without one.
func (s socket) answer() (int, string) {
	s.t.Helper()

	answer, err := http.ReadResponse(s.reader, nil)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.t.Error("no answer in 30 s")
		}

		return 0, ""
	}

	defer answer.Body.Close()

	text, _ := io.ReadAll(answer.Body) // what came is checked

	return answer.StatusCode, string(text)
}

// raw sends a request as it stands and returns the answer's status.
func (r *rig) raw(text string) int {
	r.t.Helper()

	s := r.socket()
	must(r.t, s.send(text))

	status, _ := s.answer()

	return status
}

// A foreign page whose name was made to mean our address.
func TestRebinding(t *testing.T) {
	t.Parallel()

	bearer := "Authorization: Bearer " + token + "\r\n"
	withName := prepare(t)
	withName.options.Hosts = []string{"Files.Example:443", ""}

	for _, r := range []*rig{prepare(t).tcp(), prepare(t).unix(), withName.tcp()} {
		_, port, _ := net.SplitHostPort(r.addr.String()) // a socket has none
		own := r == withName

		for host, good := range map[string]bool{
			"localhost": true, "LocalHost:" + port: true, "127.0.0.1": true, "[::1]:" + port: true, "127.0.0.1:1": true,
			"evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
			"evil.example:" + port: false, "localhost.": false, "": false, "127.0.0.2": false, "[::2]": false,
			"@localhost": false, "localhost:x:y": false,
			"importerd": r.addr.Network() == "unix", "files.example": own, "files.example:8080": own,
		} {
			for _, request := range []string{
				"GET /v1/spools", "POST /v1/spools/orders/sweep", "GET /healthz", "GET /v1/openapi.yaml",
			} {
				status := r.raw(request + " HTTP/1.1\r\nHost: " + host + "\r\n" + bearer + "\r\n")
				if refused := status == http.StatusForbidden || status == http.StatusBadRequest; refused == good || status == 0 {
					t.Errorf("%s of host %q over %s: %d", request, host, r.addr.Network(), status)
				}
			}
		}

		// The line of the request counts, not the header.
		status := r.raw("GET http://evil.example/v1/spools HTTP/1.1\r\nHost: localhost\r\n" + bearer + "\r\n")
		if status != 403 {
			t.Errorf("absolute: %d", status)
		}

		if status := r.raw("GET /v1/spools HTTP/1.0\r\n" + bearer + "\r\n"); status != 403 {
			t.Errorf("none: %d", status)
		}

		for _, hosts := range []string{"", "Host: localhost\r\nHost: evil.example\r\n"} {
			if status := r.raw("GET /v1/spools HTTP/1.1\r\n" + hosts + bearer + "\r\n"); status != 400 {
				t.Errorf("%q: %d", hosts, status)
			}
		}

		// Without a right token nobody learns even that.
		if status := r.raw("GET /v1/spools HTTP/1.1\r\nHost: evil.example\r\n\r\n"); status != 403 {
			t.Errorf("no token: %d", status)
		}
	}
}

// A page of another origin in the browser of somebody who may.
func TestCrossSite(t *testing.T) {
	t.Parallel()

	for _, r := range []*rig{prepare(t).tcp(), prepare(t).unix()} {
		host := "localhost"
		if r.addr.Network() == "tcp" {
			host = r.addr.String()
		}

		for _, bad := range []header{
			{"Origin", "http://evil.example"},
			{"Origin", "null"},
			{"Origin", "http://" + host + "1"},
			{"Origin", "x"},
			{"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"},
		} {
			for _, path := range []string{
				"/start", "/v1/spools/orders/pause", "/v1/jobs/retry", "/v1/spools/orders/files?name=a",
			} {
				r.post(path, "", bad).want(t, http.StatusForbidden, wire.CodeForbidden)
			}

			a := r.do(http.MethodGet, "/v1/spools", nil, bad).want(t, http.StatusOK, "")
			for name := range a.Header {
				if strings.HasPrefix(name, "Access-Control") {
					t.Errorf("%s: %s", name, a.Header.Get(name))
				}
			}

			// Pages may read WebSockets whatever their origin, so these count as a POST.
			r.do(http.MethodGet, "/v1/monitor", nil, bad, header{"Connection", "Upgrade"}, header{"Upgrade", "websocket"}).
				want(t, http.StatusForbidden, wire.CodeForbidden)
		}

		for _, good := range []header{
			{"Origin", "http://" + host}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"},
		} {
			r.post("/v1/spools/orders/pause", "", good).want(t, http.StatusOK, "")
		}

		// A browser asks first whether it may.
		r.do(http.MethodOptions, "/start", nil, header{"Origin", "http://evil.example"},
			header{"Access-Control-Request-Method", "POST"}).want(t, http.StatusMethodNotAllowed, wire.CodeMethod)

		if r.spools[0].count() != 0 {
			t.Error("a foreign page started something")
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	r.options.Log = zerolog.New(&r.log).Level(zerolog.DebugLevel)
	r.tcp()

	line := func(headers ...string) string {
		return "GET /v1/spools HTTP/1.1\r\nHost: localhost\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n"
	}

	for _, good := range []string{"Bearer " + token, "bearer " + token, "BEARER  " + token} {
		if status := r.raw(line("Authorization: " + good)); status != http.StatusOK {
			t.Errorf("%s: %d", good, status)
		}
	}

	for _, bad := range [][]string{
		nil,
		{"Authorization: Bearer " + token[:len(token)-1]},
		{"Authorization: Bearer " + token + "x"},
		{"Authorization: Bearer"},
		{"Authorization: " + token},
		{"Authorization: Basic " + token},
		{"Authorization: Bearer " + token, "Authorization: Bearer " + token},
		{"Authorization: Bearer x", "Authorization: Bearer " + token},
		{"Cookie: token=" + token},
		{"Sec-WebSocket-Protocol: importerd.token." + token}, // of no WebSocket
		{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Protocol: importerd.token.x, importerd"},
	} {
		s := r.socket()
		must(t, s.send(line(bad...)))

		answer, err := http.ReadResponse(s.reader, nil)
		must(t, err)

		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()

		if answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("WWW-Authenticate") == "" || !answer.Close {
			t.Errorf("%v: %d %v", bad, answer.StatusCode, answer.Header)
		}

		if strings.Contains(string(text), token) {
			t.Errorf("%v: it tells the token", bad)
		}
	}

	for path, want := range map[string]int{
		"/v1/spools?token=" + token: 401, "/healthz": 200, "/readyz": 401, "/metrics": 401, "/v1/openapi.yaml": 401,
		"/none": 401, "/v1/../healthz": 401,
	} {
		if status := r.raw("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}

	if status := r.raw("POST /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); status != 401 {
		t.Errorf("POST /healthz: %d", status)
	}

	if text := r.log.String(); strings.Contains(text, token) || !strings.Contains(text, `"status":401`) {
		t.Errorf("the log: %s", text)
	}

	// Over a socket its mode decides.
	other := prepare(t)
	other.options.Token = func() string { return token }
	other.unix().get("/v1/spools").want(t, http.StatusOK, "")
}

// The token may change, and a file that was emptied opens no door.
func TestTokenChanges(t *testing.T) {
	t.Parallel()

	now := token
	r := prepare(t)
	r.options.Token = func() string { return now }
	r.tcp()

	with := func(token string) int {
		return r.raw("GET /v1/spools HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n\r\n")
	}

	if a, b := with(token), with("fedcba9876543210"); a != 200 || b != 401 {
		t.Errorf("%d, %d", a, b)
	}

	now = "fedcba9876543210"
	if a, b := with(token), with(now); a != 401 || b != 200 {
		t.Errorf("%d, %d", a, b)
	}

	for _, short := range []string{"", "short"} {
		now = short
		if status := with(short); status != 401 {
			t.Errorf("%q: %d", short, status)
		}
	}
}

// Who guesses is slowed down, and shuts out nobody.
func TestGuesses(t *testing.T) {
	t.Parallel()

	r := prepare(t).tcp()
	slowed := false

	for range 200 {
		a := r.do(http.MethodGet, "/v1/spools", nil, header{"Authorization", "Bearer no"})
		if slowed = a.StatusCode == http.StatusTooManyRequests; slowed {
			if a.want(t, http.StatusTooManyRequests, wire.CodeTooMany).Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}

			break
		}
	}

	if !slowed {
		t.Error("200 guesses are answered")
	}

	r.get("/v1/spools").want(t, http.StatusOK, "")
}

func TestRate(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	r.options.Rate = 1
	r.unix()

	var last reply
	for range 20 {
		if last = r.get("/v1/spools"); last.StatusCode != http.StatusOK {
			break
		}
	}

	if last.want(t, http.StatusTooManyRequests, wire.CodeTooMany).Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}

	r.get("/healthz").want(t, http.StatusOK, "")
}

// A mistake of ours tells nothing to whoever found it.
func TestPanic(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	spools := r.options.Spools()
	status := spools[0].Status
	spools[0].Status = func() wire.Spool {
		if r.draining.Load() {
			return status()
		}

		panic("bug: password hunter2")
	}
	r.unix()

	a := r.get("/v1/spools").want(t, http.StatusInternalServerError, wire.CodeInternal)
	if strings.Contains(a.text, "hunter2") || !strings.Contains(r.log.String(), "hunter2") {
		t.Errorf("%s; the log: %s", a.text, r.log.String())
	}

	r.draining.Store(true)
	r.get("/v1/spools").want(t, http.StatusOK, "")
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	r.options.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token gets behind the guard")
		}

		w.Header().Set("Content-Type", "text/plain")
	})
	r.tcp()

	for _, a := range []reply{
		r.get("/v1/spools"), r.get("/none"), r.get("/metrics"), r.get("/healthz"),
		r.do(http.MethodGet, "/v1/spools", nil, header{"Authorization", "x"}),
	} {
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Cache-Control") != "no-store" ||
			!strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%d: %v", a.StatusCode, a.Header)
		}

		// Strangers are not told which version has which holes.
		if known := a.Header.Get("Server") != ""; known != (a.StatusCode != http.StatusUnauthorized) {
			t.Errorf("%d: server %q", a.StatusCode, a.Header.Get("Server"))
		}
	}
}
