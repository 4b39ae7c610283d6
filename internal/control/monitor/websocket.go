package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"importerd/internal/control/wire"

	"github.com/coder/websocket"
)

const (
	// firstWithin is how long a client may take to say what it wants.
	firstWithin = 10 * time.Second
	// maxMessage bounds what a client says, in bytes: 10,000 ids are 400 KB.
	maxMessage = 1 << 20
	// maxClose is how long the reason of a close frame may be, in bytes.
	maxClose = 123
)

var (
	errGone   = errors.New("the client has gone")
	errDead   = errors.New("the client does not answer")
	errSilent = badWatch(fmt.Errorf("nothing was asked for within %v", firstWithin))
	errSecond = badWatch(errors.New("a connection watches one thing: open another one"))
	errBinary = badWatch(errors.New("say what to watch in a text message"))
)

// WebSocket returns what serves the monitor to WebSocket clients. Who may ask is
// checked before.
func (h *Hub) WebSocket() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			refuse(w, &refusal{
				http.StatusUpgradeRequired, wire.CodeBadRequest,
				errors.New("this is for WebSockets: " + wire.PathEvents + " tells the same as server-sent events"),
			})

			return
		}

		if err := h.enter(); err != nil {
			refuse(w, err)

			return
		}
		defer h.leave()

		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: tokenProtocols(r),
			// The library would let any origin in that has the name of the host,
			// whatever its scheme. The server has a list, which was asked before.
			InsecureSkipVerify: true,
		})
		if err != nil {
			return // the library has answered
		}

		conn.SetReadLimit(maxMessage)
		newPeer(h, conn).serve(r.Context())
	})
}

// tokenProtocols returns the subprotocols by which a browser has given its token.
// It wants to have one of those that it offers back.
func tokenProtocols(r *http.Request) []string {
	var offered []string

	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for protocol := range strings.SplitSeq(line, ",") {
			if protocol = strings.TrimSpace(protocol); strings.HasPrefix(protocol, wire.TokenProtocol) {
				offered = append(offered, protocol)
			}
		}
	}

	return offered
}

// peer is a WebSocket client.
type peer struct {
	hub  *Hub
	conn *websocket.Conn

	first   chan []byte             // what it wants; read sends once, serve receives; holds 1
	gone    context.CancelCauseFunc // ends the session
	pinging sync.WaitGroup
	writing context.Context //nolint:containedctx // of all that is written: the request's, which outlives the session
}

func newPeer(h *Hub, conn *websocket.Conn) *peer {
	return &peer{hub: h, conn: conn, first: make(chan []byte, 1)}
}

// serve lives until the client has what it wants, or goes.
func (p *peer) serve(ctx context.Context) {
	p.writing = ctx

	live, gone := context.WithCancelCause(ctx)
	p.gone = gone

	var reading sync.WaitGroup

	reading.Go(func() { p.read(ctx) })

	err := p.session(live)
	p.hub.over(err)
	p.close(err)
	gone(nil)
	reading.Wait()
	p.pinging.Wait()
}

// read reads until the connection ends. Without it nothing would answer pings.
func (p *peer) read(ctx context.Context) {
	for asked := false; ; asked = true {
		kind, data, err := p.conn.Read(ctx)

		switch {
		case err != nil:
			p.gone(fmt.Errorf("%w: %w", errGone, err))

			return
		case asked:
			p.gone(errSecond)
		case kind != websocket.MessageText:
			p.gone(errBinary)
		default:
			p.first <- data
		}
	}
}

// session asks what the client wants and tells it. The error says why it is over.
func (p *peer) session(ctx context.Context) error {
	watch, err := p.ask(ctx)
	if err != nil {
		return err
	}

	sub, err := p.hub.subscribe(watch)
	if err != nil {
		return err
	}
	defer sub.close()

	s := newSession(p.hub, sub, p)
	err = s.run(ctx)

	if m, ok := s.last(err); ok {
		_ = p.send(m) //nolint:contextcheck // the session's may be over; and it is closed next in any case
	}

	return err
}

// ask waits until the client says what it wants.
func (p *peer) ask(ctx context.Context) (wire.Watch, error) {
	var w wire.Watch

	timer := time.NewTimer(firstWithin)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return w, context.Cause(ctx)
	case <-p.hub.down:
		return w, p.hub.shutEnding()
	case <-timer.C:
		return w, errSilent
	case data := <-p.first:
		err := parseWatch(data, &w)

		return w, err
	}
}

// parseWatch reads what a client wants.
func parseWatch(data []byte, w *wire.Watch) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()

	err := decoder.Decode(w)
	if err == nil && decoder.More() {
		err = errors.New("something follows")
	}

	if err != nil {
		return badWatch(fmt.Errorf("what to watch makes no sense: %w", err))
	}

	return nil
}

// send sends messages.
func (p *peer) send(messages ...message) error {
	ctx, cancel := context.WithTimeout(p.writing, p.hub.opts.WriteTime)
	defer cancel()

	for _, m := range messages {
		if err := p.conn.Write(ctx, websocket.MessageText, m.data); err != nil {
			return lost(ctx, err)
		}
	}

	return nil
}

// beat pings. Whoever does not answer in time is dropped.
func (p *peer) beat() error {
	p.pinging.Go(func() {
		ctx, cancel := context.WithTimeout(p.writing, p.hub.opts.WriteTime)
		defer cancel()

		if err := p.conn.Ping(ctx); err != nil {
			p.gone(fmt.Errorf("%w: %w", errDead, err))
		}
	})

	return nil
}

// cut ends the connection at once.
func (p *peer) cut() { _ = p.conn.CloseNow() }

// close ends the connection and says why.
func (p *peer) close(err error) {
	code, reason := closing(err)

	if errors.Is(err, errDead) || errors.Is(err, errGone) || errors.Is(err, errStuck) {
		_ = p.conn.CloseNow() // there is nobody to say it to

		return
	}

	_ = p.conn.Close(code, reason)
}

// closing returns the code and the reason of a close frame.
func closing(err error) (websocket.StatusCode, string) {
	reason := err.Error()
	for len(reason) > maxClose || !utf8.ValidString(reason) {
		reason = reason[:min(len(reason)-1, maxClose)]
	}

	e, ended := errors.AsType[*ending](err)

	switch {
	case ended && e.normal:
		return websocket.StatusNormalClosure, reason
	case errors.Is(err, errShut):
		return websocket.StatusGoingAway, reason
	case ended && e.err != nil:
		return websocket.StatusInternalError, reason
	}

	return websocket.StatusPolicyViolation, reason
}
