package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// Events returns what serves the monitor as server-sent events. Who may ask is
// checked before.
func (h *Hub) Events() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watch, err := watchOf(r)
		if err != nil {
			refuse(w, err)

			return
		}

		if err := h.enter(); err != nil {
			refuse(w, err)

			return
		}
		defer h.leave()

		sub, err := h.subscribe(watch)
		if err != nil {
			refuse(w, err)

			return
		}
		defer sub.close()

		l := &listener{hub: h, ctx: r.Context(), w: w, conn: http.NewResponseController(w)}
		s := newSession(h, sub, l)
		s.again = r.Header.Get("Last-Event-ID") != ""

		l.serve(s)
	})
}

// watchOf returns what a request asks for.
func watchOf(r *http.Request) (wire.Watch, error) {
	q := r.URL.Query()
	w := wire.Watch{Spool: q.Get("spool"), Since: q.Get("since")}

	if last := r.Header.Get("Last-Event-ID"); last != "" {
		w.Since = last // what a browser sends when it comes back to the address that it had
	}

	for _, text := range q["id"] {
		id, err := job.ParseID(text)
		if err != nil {
			return w, badWatch(err)
		}

		w.Watch = append(w.Watch, id)
	}

	if text := q.Get("all"); text != "" {
		all, err := strconv.ParseBool(text)
		if err != nil {
			return w, badWatch(fmt.Errorf("all=%q: write true", text))
		}

		w.All = all
	}

	err := w.Check()

	switch {
	case len(w.Watch) > wire.MaxWatch:
		return w, badWatch(err)
	case err != nil:
		return w, badWatch(errors.New("say what to watch: id=ID (one or more), or spool=NAME, or all=true"))
	}

	return w, nil
}

// listener is a client of server-sent events.
type listener struct {
	hub   *Hub
	ctx   context.Context //nolint:containedctx // the request's
	w     http.ResponseWriter
	conn  *http.ResponseController
	begun bool // the head of the answer was sent
	isCut atomic.Bool
	buf   bytes.Buffer
}

// serve lives until the client has what it wants, or goes.
func (l *listener) serve(s *session) {
	err := s.run(l.ctx)

	l.hub.over(err)

	switch m, ok := s.last(err); {
	case errors.Is(err, errNothing):
		l.w.WriteHeader(http.StatusNoContent) // by which a browser knows not to come again
	case ok:
		_ = l.send(m) // it is over in any case
	}
}

// send sends messages.
func (l *listener) send(messages ...message) error {
	l.buf.Reset()

	for _, m := range messages {
		if m.cursor != "" {
			fmt.Fprintf(&l.buf, "id: %s\n", m.cursor)
		}

		fmt.Fprintf(&l.buf, "event: %s\ndata: %s\n\n", m.kind, m.data)
	}

	return l.write(l.buf.Bytes())
}

// beat sends a comment.
func (l *listener) beat() error { return l.write([]byte(":\n\n")) }

// write sends what is to be sent at once.
func (l *listener) write(text []byte) error {
	if !l.begun {
		l.begun = true

		header := l.w.Header()
		header.Set("Content-Type", "text/event-stream")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Accel-Buffering", "no") // a proxy must pass on what comes
	}

	if err := l.conn.SetWriteDeadline(time.Now().Add(l.hub.opts.WriteTime)); err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}

	if l.isCut.Load() {
		return errStuck
	}

	_, err := l.w.Write(text)
	if err == nil {
		err = l.conn.Flush()
	}

	if err != nil {
		return lost(l.ctx, err)
	}

	return nil
}

// cut ends the connection at once.
func (l *listener) cut() {
	l.isCut.Store(true)

	_ = l.conn.SetWriteDeadline(time.Unix(1, 0)) // without deadlines nothing was sent
}
