package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// talk is what a double of the daemon says over one connection: it takes up what is
// asked for and returns events, and how to end.
type talk func(w wire.Watch) (all []wire.Event, code websocket.StatusCode, reason string)

// monitor is a double that talks otherwise on each connection; refused ones get an
// answer of HTTP.
func monitor(t *testing.T, talks ...any) *client.Client {
	t.Helper()

	var calls atomic.Int32

	return double(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != wire.PathMonitor {
			t.Errorf("asked for %s", r.URL)
		}

		n := int(calls.Add(1)) - 1
		if n >= len(talks) {
			t.Error("the client comes once more")

			n = len(talks) - 1
		}

		if status, ok := talks[n].(int); ok {
			w.WriteHeader(status)
			say(t, w, `{"error":{"code":"draining","message":"not now"}}`)

			return
		}

		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)

			return
		}
		defer conn.CloseNow() //nolint:errcheck // it is over

		var watch wire.Watch

		if _, text, err := conn.Read(r.Context()); err != nil || json.Unmarshal(text, &watch) != nil {
			t.Errorf("asked for %s, %v", text, err)
		}

		all, code, reason := talks[n].(talk)(watch)

		for _, e := range all {
			text, _ := json.Marshal(e)
			if err := conn.Write(r.Context(), websocket.MessageText, text); err != nil {
				return // the client has gone
			}
		}

		if code != 0 {
			_ = conn.Close(code, reason)
		}
	})
}

// A client that follows jobs goes on where it was, whatever the connection and the
// daemon do, and says so.
func TestMonitorAcrossTrouble(t *testing.T) {
	t.Parallel()

	id, other := job.NewID(), job.NewID()

	from := func(since string, all ...wire.Event) any {
		return talk(func(w wire.Watch) ([]wire.Event, websocket.StatusCode, string) {
			if w.Since != since || !slices.Equal(w.Watch, []job.ID{id, other}) {
				t.Errorf("asked for %+v, not since %q", w, since)
			}

			if len(all) > 0 && all[len(all)-1].Kind == wire.KindEnd {
				return all, websocket.StatusNormalClosure, ""
			}

			return all, 0, "" // it breaks
		})
	}

	c := monitor(t,
		from("", wire.Event{Kind: wire.KindReady, Cursor: "c0"}),
		from("c0", ended(id, "c1")),
		http.StatusServiceUnavailable,
		from("c1", wire.Event{Kind: wire.KindEnd, Reason: "the daemon ends", Cursor: "c1"}),
		from("c1", ended(other, "c2"), wire.Event{Kind: wire.KindEnd, Reason: wire.ReasonAllTold, Cursor: "c2"}),
	)

	var got []string

	for e, err := range c.Monitor(t.Context(), wire.Watch{Watch: []job.ID{id, other}}) {
		switch {
		case err == nil:
			got = append(got, string(e.Kind)+e.Cursor)
		case errors.Is(err, client.ErrLost) || client.IsCode(err, wire.CodeDraining):
			got = append(got, "away")
		default:
			t.Error(err)
		}
	}

	want := "readyc0 away endedc1 away away away endedc2 endc2"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

// What makes no sense today makes none tomorrow.
func TestMonitorIsRefused(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]*client.Client{
		"not now": monitor(t, http.StatusForbidden),
		"no such cursor": monitor(t, talk(func(wire.Watch) ([]wire.Event, websocket.StatusCode, string) {
			return nil, websocket.StatusPolicyViolation, "no such cursor"
		})),
	} {
		var errs []error
		for _, err := range c.Monitor(t.Context(), wire.Watch{All: true}) {
			errs = append(errs, err)
		}

		if len(errs) != 1 || errs[0] == nil || errs[0].Error() != name {
			t.Errorf("%v", errs)
		}
	}
}

func TestMonitorEndsWhenNobodyWantsIt(t *testing.T) {
	t.Parallel()

	lots := talk(func(wire.Watch) ([]wire.Event, websocket.StatusCode, string) {
		return []wire.Event{{Kind: wire.KindReady}, {Kind: wire.KindReady}}, 0, ""
	})

	n := 0
	for _, err := range monitor(t, lots).Monitor(t.Context(), wire.Watch{All: true}) {
		must(t, err)

		n++

		break
	}

	if n != 1 {
		t.Errorf("%d events", n)
	}
}
