package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// TestRefusedRequests: what makes no sense is answered with the API's errors.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()

	h := New(Options{Spools: []string{"a"}})
	srv := server(t, h)
	id := job.NewID().String()

	for request, want := range map[string]int{
		wire.PathEvents:                                                       http.StatusBadRequest,
		wire.PathEvents + "?id=x":                                             http.StatusBadRequest,
		wire.PathEvents + "?id=" + id + "&all=true":                           http.StatusBadRequest,
		wire.PathEvents + "?spool=a&all=1":                                    http.StatusBadRequest,
		wire.PathEvents + "?all=false":                                        http.StatusBadRequest,
		wire.PathEvents + "?all=yes":                                          http.StatusBadRequest,
		wire.PathEvents + "?spool=b":                                          http.StatusNotFound,
		wire.PathEvents + "?spool=a&since=nonsense":                           http.StatusBadRequest,
		wire.PathEvents + "?all=true&since=nonsense":                          http.StatusBadRequest,
		wire.PathEvents + "?since=" + id:                                      http.StatusBadRequest,
		wire.PathEvents + "?" + strings.Repeat("id="+id+"&", wire.MaxWatch+1): http.StatusBadRequest,
		wire.PathMonitor:                                                      http.StatusUpgradeRequired,
	} {
		answer, body := ask(t, srv.Client(), srv.URL+request, "")

		var e wire.Error
		if err := json.Unmarshal([]byte(body), &e); err != nil || answer.StatusCode != want || e.Error.Message == "" {
			t.Errorf("%.80s is answered with %d %s", request, answer.StatusCode, body)
		}
	}

	if answer, body := ask(t, srv.Client(), srv.URL+wire.PathEvents+"?spool=a", "nonsense"); answer.StatusCode != 400 {
		t.Errorf("a Last-Event-ID that makes no sense is answered with %d %s", answer.StatusCode, body)
	}

	if present(h) != 0 || len(h.watchers)+len(h.streams)+len(h.byID) != 0 {
		t.Error("something is left of those who were refused")
	}
}

// ask asks for events and reads the whole answer.
func ask(t *testing.T, c *http.Client, url, last string) (*http.Response, string) {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}

	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}

	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()

	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}

	return answer, string(body)
}

// TestRefusedMessages: what makes no sense ends a WebSocket with a clear reason.
func TestRefusedMessages(t *testing.T) {
	t.Parallel()

	h := New(Options{Spools: []string{"a"}})
	srv := server(t, h)
	text, binary := websocket.MessageText, websocket.MessageBinary

	for _, c := range []struct {
		kind   websocket.MessageType
		say    []string
		code   websocket.StatusCode
		reason string
	}{
		{text, []string{""}, websocket.StatusPolicyViolation, "makes no sense"},
		{text, []string{"{}"}, websocket.StatusPolicyViolation, "say what to watch"},
		{text, []string{`{"watch":[]}`}, websocket.StatusPolicyViolation, "say what to watch"},
		{text, []string{`{"watch":["x"]}`}, websocket.StatusPolicyViolation, `"x" is not a job id`},
		{text, []string{`{"all":true,"spool":"a"}`}, websocket.StatusPolicyViolation, "say what to watch"},
		{text, []string{`{"spools":"a"}`}, websocket.StatusPolicyViolation, `unknown field "spools"`},
		{text, []string{`{"all":true}{}`}, websocket.StatusPolicyViolation, "something follows"},
		{text, []string{`{"spool":"ü"}`}, websocket.StatusPolicyViolation, `there is no spool "ü"`},
		{text, []string{`{"spool":"` + strings.Repeat("ü", 200) + `"}`}, websocket.StatusPolicyViolation, "there is no"},
		{text, []string{`{"all":true,"since":"!"}`}, websocket.StatusPolicyViolation, "the cursor makes no sense"},
		{binary, []string{`{"all":true}`}, websocket.StatusPolicyViolation, "text message"},
		{text, []string{`{"all":true}`, `{"all":true}`}, websocket.StatusPolicyViolation, "open another one"},
		{text, []string{strings.Repeat(" ", maxMessage+1)}, websocket.StatusMessageTooBig, ""},
	} {
		//nolint:bodyclose // the library's business
		conn, _, err := websocket.Dial(t.Context(), srv.URL+wire.PathMonitor, nil)
		if err != nil {
			t.Fatal(err)
		}

		for _, text := range c.say {
			_ = conn.Write(t.Context(), c.kind, []byte(text)) // it may be closed already
		}

		for err == nil {
			_, _, err = conn.Read(t.Context())
		}

		e, ok := errors.AsType[websocket.CloseError](err)
		if !ok || e.Code != c.code || !strings.Contains(e.Reason, c.reason) {
			t.Errorf("%.80q is ended with %v, want %v %s", c.say, err, c.code, c.reason)
		}

		_ = conn.CloseNow()
	}
}

// TestTokenProtocol: a browser gets the subprotocol back by which it gave its token.
func TestTokenProtocol(t *testing.T) {
	t.Parallel()

	srv := server(t, New(Options{}))

	for _, offered := range [][]string{nil, {"other"}, {"other", wire.TokenProtocol + "secret"}} {
		//nolint:bodyclose // the library's business
		conn, _, err := websocket.Dial(t.Context(), srv.URL+wire.PathMonitor, &websocket.DialOptions{
			Subprotocols: offered, HTTPHeader: http.Header{"Origin": {"https://elsewhere.example"}}, // others check that
		})
		if err != nil {
			t.Fatal(err)
		}

		want := ""
		if len(offered) == 2 {
			want = offered[1]
		}

		if conn.Subprotocol() != want {
			t.Errorf("of %q is chosen %q", offered, conn.Subprotocol())
		}

		_ = conn.CloseNow()
	}
}

// TestTooManyClients: there is a limit, and a place is free again when somebody goes.
func TestTooManyClients(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		h := New(Options{MaxClients: 2})
		srv := server(t, h)
		openSpool(h, "a", newBook())

		first := listen(t, dial, srv, wire.Watch{All: true})
		first.want("ready")
		listen(t, dial, srv, wire.Watch{All: true}).want("ready")

		_, err := dial(t.Context(), srv.Client(), srv.URL, wire.Watch{All: true})
		if err == nil || !strings.Contains(err.Error(), "429") {
			t.Errorf("a third one is let in, %v", err)
		}

		first.close()

		until(t, func() bool {
			c, err := dial(t.Context(), srv.Client(), srv.URL, wire.Watch{All: true})
			if err == nil {
				c.close()
			}

			return err == nil
		})
	})
}

// until waits for a condition.
func until(t *testing.T, ok func() bool) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()

	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it does not come about")
		}
	}
}

// TestLastEventID: what a browser sends counts more than the address that it had;
// and when there is nothing more to tell it is told not to come again.
func TestLastEventID(t *testing.T) {
	t.Parallel()

	h := New(Options{})
	srv := server(t, h)
	a := openSpool(h, "a", newBook())
	first, second := a.end(t, job.Record{}), a.end(t, job.Record{})

	url := srv.URL + wire.PathEvents + "?id=" + first.ID.String() + "&id=" + second.ID.String() +
		"&since=" + h.CursorOf(second)

	answer, body := ask(t, srv.Client(), url, h.CursorOf(first))
	if strings.Contains(body, first.ID.String()) || !strings.Contains(body, second.ID.String()) ||
		answer.Header.Get("Content-Type") != "text/event-stream" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", answer.Header, body)
	}

	answer, body = ask(t, srv.Client(), url, h.CursorOf(second))
	if answer.StatusCode != http.StatusNoContent || body != "" {
		t.Errorf("%d %s", answer.StatusCode, body)
	}

	answer, body = ask(t, srv.Client(), url, "") // it came for the first time
	if answer.StatusCode != http.StatusOK || !strings.Contains(body, wire.ReasonAllTold) {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
}

// TestUnreadableJournal: clients are told that they may try later, and none of what
// went wrong.
func TestUnreadableJournal(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		h := New(Options{})
		srv := server(t, h)
		book := newBook()
		book.broken = errors.New("input/output error at /secret")
		openSpool(h, "a", book)

		l := listen(t, dial, srv, wire.Watch{Watch: []job.ID{job.NewID()}})
		l.want("end the journal cannot be read at the moment")

		if _, err := h.Wait(t.Context(), job.NewID()); !errors.Is(err, book.broken) {
			t.Errorf("%v", err)
		}
	})
}
