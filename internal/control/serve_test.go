package control_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"importerd/internal/control"
	"importerd/internal/job"

	"github.com/coder/websocket"
)

func TestServeRefuses(t *testing.T) {
	t.Parallel()

	given := func(s string) func() string { return func() string { return s } }

	for _, c := range []struct {
		address string
		token   func() string
		says    string
	}{
		{"127.0.0.1:0", nil, "token"},
		{"127.0.0.1:0", given(""), "0 bytes"},
		{"127.0.0.1:0", given("short"), "5 bytes"},
		{"0.0.0.0:0", given(token), "TLS"},
		{"[::]:0", given(token), "TLS"},
	} {
		r := prepare(t)
		r.options.Token = c.token

		s, err := control.New(r.options)
		must(t, err)

		l, err := net.Listen("tcp", c.address)
		if err != nil {
			t.Logf("skipped: %v", err)

			continue
		}

		if err := s.Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.address, err)
		}

		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: it is still open: %v", c.address, err)
		}
	}

	if _, err := control.New(control.Options{}); err == nil {
		t.Error("a server without spools")
	}
}

// listen returns a socket to serve at.
func listen(t *testing.T) net.Listener {
	t.Helper()

	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil { // a long path
		l, err = net.Listen("unix", fmt.Sprintf("@importerd-test-%s", job.NewID()))
	}

	must(t, err)

	return l
}

func TestServeAgain(t *testing.T) {
	t.Parallel()

	s, err := control.New(prepare(t).options)
	must(t, err)

	over, cancel := context.WithCancel(t.Context())
	cancel()

	for range 3 {
		must(t, s.Serve(over, listen(t))) // ended before it began
	}

	// Several at once, ended at once.
	ctx, stop := context.WithCancel(t.Context())

	var all sync.WaitGroup
	for range 4 {
		l := listen(t)

		all.Go(func() {
			if err := s.Serve(ctx, l); err != nil {
				t.Error(err)
			}
		})

		conn, err := net.Dial("unix", l.Addr().String())
		must(t, err)

		t.Cleanup(func() { _ = conn.Close() })
	}

	stop()
	all.Wait()

	// The listener is lost under it.
	l := listen(t)
	must(t, l.Close())

	if err := s.Serve(t.Context(), l); err == nil {
		t.Error("a listener that is gone is no error")
	}
}

// Running answers finish, and nothing new begins.
func TestStopLetsFinish(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	s := r.socket()
	must(t, s.send(upload+"Content-Length: 10\r\n\r\nhalf "))
	must(t, r.socket().send("GET /v1/spools HTTP/1.1\r\n")) // holds up nothing

	r.get("/healthz")
	r.stop()
	until(t, "nobody listens", func() bool {
		conn, err := r.dial(t.Context())
		if err == nil {
			_ = conn.Close()
		}

		return err != nil
	})

	must(t, s.send("done."))

	if status, text := s.answer(); status != http.StatusCreated {
		t.Errorf("%d %s", status, text)
	}

	must(t, <-r.ended)
	r.ended <- nil
}

// What does not finish is cut off.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	r.options.Stop = 200 * time.Millisecond
	stuck := make(chan struct{}) // closed at the end; nobody sends
	r.options.Monitor = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stuck })
	r.unix()

	s := r.socket()
	must(t, s.send(upload+"Content-Length: 10\r\n\r\nhalf "))
	must(t, r.socket().send("GET /v1/monitor HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	r.get("/healthz")
	r.stop()

	must(t, <-r.ended)
	r.ended <- nil
	close(stuck)
	r.nothingKept()
}

// A wait ends with the server, and says what is known.
func TestStopEndsWaits(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	answers := make(chan reply) // the goroutine sends once

	go func() { answers <- r.post("/start?wait=5m", "") }()

	until(t, "accepted", func() bool { return r.spools[0].count() == 1 })
	r.stop()
	(<-answers).want(t, http.StatusAccepted, "")
	must(t, <-r.ended)
	r.ended <- nil
}

// echo is a monitor that sends back what it gets, and tells the end when it may.
func echo(t *testing.T, protocol *string, ending chan<- struct{}, may <-chan struct{}) http.Handler {
	t.Helper()

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*protocol = r.Header.Get("Sec-WebSocket-Protocol") + r.Header.Get("Authorization")

		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{"importerd.token." + token}, // a browser wants one that it offers
		})
		if err != nil {
			t.Error(err)

			return
		}
		defer conn.CloseNow() //nolint:errcheck // closed already, if all is well

		kind, text, err := conn.Read(r.Context())
		if err != nil {
			t.Error(err)
		}

		must(t, conn.Write(r.Context(), kind, text))
		<-r.Context().Done()
		close(ending)
		<-may

		if err := conn.Close(websocket.StatusGoingAway, "the daemon ends"); err != nil {
			t.Error(err)
		}
	})
}

// A WebSocket goes through the guard; a browser's token as a subprotocol; and the
// server waits for its end.
func TestWebSocket(t *testing.T) {
	t.Parallel()

	var seen string

	r := prepare(t)
	r.options.Stall = 300 * time.Millisecond                // a WebSocket lasts longer
	ending, may := make(chan struct{}), make(chan struct{}) // closed by echo and by this test; nobody sends
	r.options.Monitor = echo(t, &seen, ending, may)
	r.tcp()

	url := "http://" + r.addr.String() + "/v1/monitor"

	for _, bad := range []http.Header{
		{"Origin": {"http://evil.example"}},
		{"Origin": {"http://evil.example"}, "Host": {"evil.example"}},
	} {
		_, answer, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{
			Subprotocols: []string{"importerd", "importerd.token." + token}, HTTPHeader: bad, Host: bad.Get("Host"),
		})
		if err == nil || answer.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %v", bad, err)
		}
	}

	_, answer, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{
		Subprotocols: []string{"importerd", "importerd.token.wrong"},
	})
	if err == nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong token: %v", err)
	}

	conn, answer, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{
		Subprotocols: []string{"importerd.token." + token},
		HTTPHeader:   http.Header{"Origin": {"http://" + r.addr.String()}},
	})
	must(t, err)

	defer conn.CloseNow() //nolint:errcheck // closed already, if all is well

	if want := "importerd.token." + token; conn.Subprotocol() != want || seen != want {
		t.Errorf("the protocol is %q, seen was %q: %v", conn.Subprotocol(), seen, answer.Header)
	}

	timer := time.NewTimer(time.Second) // thrice what a body may take
	<-timer.C

	must(t, conn.Write(t.Context(), websocket.MessageText, []byte("hello")))

	if _, text, err := conn.Read(t.Context()); string(text) != "hello" || err != nil {
		t.Errorf("%q, %v", text, err)
	}

	r.stop()
	<-ending

	timer.Reset(300 * time.Millisecond)

	select {
	case err := <-r.ended:
		t.Fatalf("it ended before its monitor, with %v", err)
	case <-timer.C:
		close(may)
	}

	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("it ended with %v", err)
	}

	must(t, <-r.ended)
	r.ended <- nil
}

// Server-sent events come at once, and end with the server.
func TestEvents(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	r.options.Events = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")

		if _, err := w.Write([]byte("data: 1\n\n")); err != nil {
			t.Error(err)
		}

		w.(http.Flusher).Flush() //nolint:forcetypeassert // that is the question
		<-req.Context().Done()
	})
	r.unix()

	s := r.socket()
	must(t, s.send("GET /v1/events?all=true HTTP/1.1\r\nHost: localhost\r\n\r\n"))

	answer, err := http.ReadResponse(s.reader, nil)
	must(t, err)

	defer answer.Body.Close()

	line := make([]byte, 9)
	if _, err := answer.Body.Read(line); string(line) != "data: 1\n\n" {
		t.Errorf("%q, %v", line, err)
	}

	r.do(http.MethodHead, "/v1/events", nil).want(t, http.StatusMethodNotAllowed, "")
	r.stop()

	if n, err := answer.Body.Read(line); n != 0 || err == nil {
		t.Errorf("%d bytes more, %v", n, err)
	}

	must(t, <-r.ended)
	r.ended <- nil
}

// Nobody is there any more for the answer: that is no mistake of ours.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()

	r := hurried(t).unix()
	ctx, cancel := context.WithCancel(t.Context())

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/start?wait=1m", nil)
	must(t, err)

	gone := make(chan error) // the goroutine sends once

	go func() {
		answer, err := r.client.Do(req)
		if err == nil {
			_ = answer.Body.Close()
		}
		gone <- err
	}()

	until(t, "accepted", func() bool { return r.spools[0].count() == 1 })
	cancel()

	if err := <-gone; err == nil {
		t.Error("it was answered")
	}

	until(t, "given up", func() bool { return strings.Contains(r.log.String(), `"path":"/start"`) })

	if text := r.log.String(); strings.Contains(text, `"level":"error"`) {
		t.Error(text)
	}
}
