package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// tell sends events.
func tell(t *testing.T, w http.ResponseWriter, all ...wire.Event) {
	t.Helper()
	w.Header().Set("Content-Type", "text/event-stream")
	say(t, w, ": hello\n\nretry: 100\n\n")

	for _, event := range all {
		text, err := json.Marshal(event)
		if err != nil {
			t.Error(err)
		}

		// Data may stand in several lines.
		say(t, w, "id: %s\nevent: %s\ndata: %s\ndata:%s\n\n", event.Cursor, event.Kind, text[:1], text[1:])
	}

	if err := http.NewResponseController(w).Flush(); err != nil {
		t.Error(err)
	}
}

func say(t *testing.T, w io.Writer, format string, args ...any) {
	t.Helper()

	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		t.Error(err)
	}
}

func ended(id job.ID, cursor string) wire.Event {
	return wire.Event{Kind: wire.KindEnded, Job: &wire.Job{ID: id, State: job.Failed}, Cursor: cursor}
}

func TestWait(t *testing.T) {
	t.Parallel()

	id := job.NewID()
	c := double(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != wire.PathEvents || r.FormValue("id") != id.String() {
			t.Errorf("asked for %s", r.URL)
		}

		tell(t, w, wire.Event{Kind: wire.KindReady},
			wire.Event{Kind: wire.KindChanged, Job: &wire.Job{ID: id, State: job.Done}},
			ended(job.NewID(), ""), ended(id, "c1"))
	})

	if j, err := c.Wait(t.Context(), id); err != nil || j.ID != id || j.State != job.Failed {
		t.Errorf("waited for %+v, %v", j, err)
	}
}

// A client goes on where it was, whatever the connection and the daemon do.
func TestWaitAcrossTrouble(t *testing.T) {
	t.Parallel()

	id := job.NewID()
	first := true

	var away atomic.Int32

	steps := []func(w http.ResponseWriter, r *http.Request){
		func(w http.ResponseWriter, _ *http.Request) {
			tell(t, w, wire.Event{Kind: wire.KindReady, Cursor: "c1"})
		},
		func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) },
		func(w http.ResponseWriter, _ *http.Request) {
			tell(t, w, wire.Event{Kind: wire.KindReady, Cursor: "c2"}, wire.Event{Kind: wire.KindEnd, Reason: "too slow"})
		},
		func(w http.ResponseWriter, _ *http.Request) { say(t, w, "data: {nonsense\n\n") },
		func(w http.ResponseWriter, _ *http.Request) {
			tell(t, w)
			panic(http.ErrAbortHandler)
		},
		func(w http.ResponseWriter, _ *http.Request) { tell(t, w, ended(id, "c3")) },
	}
	cursors := []string{"", "c1", "c1", "c2", "c2", "c2"}

	path := serve(t, filepath.Join(t.TempDir(), "s"), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != wire.PathEvents { // between two tries
			if first {
				t.Error("the job is asked for before its events")
			}

			answer(t, w, http.StatusOK, wire.Job{ID: id, State: job.Processing})

			return
		}

		first = false

		step, cursor := steps[0], cursors[0]
		steps, cursors = steps[1:], cursors[1:]

		if got := r.Header.Get("Last-Event-ID"); got != cursor {
			t.Errorf("with %d steps left the cursor is %q, not %q", len(steps), got, cursor)
		}

		step(w, r)
	})
	c := newClient(t, "unix:"+path, client.Options{Away: func(error) { away.Add(1) }})

	if j, err := c.Wait(t.Context(), id); err != nil || j.State != job.Failed {
		t.Errorf("waited for %+v, %v", j, err)
	}

	if got := away.Load(); got != 5 {
		t.Errorf("lost %d times", got)
	}
}

// A daemon that is away, and comes back with no events to tell, is asked.
func TestWaitAcrossRestart(t *testing.T) {
	t.Parallel()

	id := job.NewID()
	path := filepath.Join(t.TempDir(), "s")
	lost := make(chan struct{}, 100) // Away sends, the test receives
	c := newClient(t, "unix:"+path, client.Options{Away: func(error) { lost <- struct{}{} }})
	done := make(chan wire.Job) // the goroutine sends once

	go func() {
		j, err := c.Wait(t.Context(), id)
		if err != nil {
			t.Error(err)
		}

		done <- j
	}()

	<-lost
	<-lost
	serve(t, path, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == wire.PathEvents {
			http.Error(w, "", http.StatusNotImplemented)

			return
		}

		answer(t, w, http.StatusOK, wire.Job{ID: id, State: job.Terminated})
	})

	if j := <-done; j.State != job.Terminated {
		t.Errorf("waited for %+v", j)
	}

	must(t, os.Remove(path))
}

func TestWaitForNothing(t *testing.T) {
	t.Parallel()

	id := job.NewID()
	c := double(t, func(w http.ResponseWriter, _ *http.Request) {
		tell(t, w, wire.Event{Kind: wire.KindUnknown, ID: &id})
	})

	if _, err := c.Wait(t.Context(), id); !client.IsCode(err, wire.CodeNotFound) {
		t.Errorf("an unknown job: %v", err)
	}

	// One that was forgotten while the daemon was away.
	c = double(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != wire.PathEvents {
			answer(t, w, http.StatusNotFound, wire.Error{Error: wire.Fault{Code: wire.CodeNotFound}})
		}
	})

	if _, err := c.Wait(t.Context(), id); !client.IsCode(err, wire.CodeNotFound) {
		t.Errorf("a forgotten job: %v", err)
	}

	c = double(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, http.StatusUnauthorized, wire.Error{Error: wire.Fault{Code: wire.CodeUnauthorized}})
	})

	if _, err := c.Wait(t.Context(), id); !client.IsCode(err, wire.CodeUnauthorized) {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()

	c := newClient(t, "unix:"+filepath.Join(t.TempDir(), "none"), client.Options{})
	if _, err := c.Wait(ctx, job.NewID()); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("it ends with %v", err)
	}
}
