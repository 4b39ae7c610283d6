package monitor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// spool is a spool as a test plays it.
type spool struct {
	name    string
	journal writable
	feed    *Feed
}

// openSpool registers a spool with a hub.
func openSpool(h *Hub, name string, j writable) *spool {
	return &spool{name, j, h.Feed(name, j)}
}

// begin records a new job.
func (s *spool) begin(t testing.TB) job.Record {
	t.Helper()

	rec := job.Record{
		ID: job.NewID(), Spool: s.name, Name: "a.csv", State: job.Processing, Attempt: 1, CreatedAt: time.Now(),
	}
	if err := s.journal.Commit(rec); err != nil {
		t.Fatal(err)
	}

	return rec
}

// finish records the end of a job, without telling it.
func (s *spool) finish(t testing.TB, rec job.Record) job.Record {
	t.Helper()

	rec.State, rec.FinishedAt, rec.Cursor = job.Done, time.Now(), s.journal.NextCursor()
	if err := s.journal.Commit(rec); err != nil {
		t.Fatal(err)
	}

	return rec
}

// end ends a job, a new one if rec is zero.
func (s *spool) end(t testing.TB, rec job.Record) job.Record {
	t.Helper()

	if rec.ID.IsZero() {
		rec = s.begin(t)
	}

	rec = s.finish(t, rec)
	s.feed.Ended(rec)

	return rec
}

// endMany ends n new jobs and returns what is told of them.
func (s *spool) endMany(t testing.TB, n int) []string {
	t.Helper()

	recs := make([]job.Record, n)
	told := make([]string, n)

	for i := range recs {
		recs[i] = job.Record{ID: job.NewID(), Spool: s.name, Name: "b.csv", State: job.Done, Cursor: s.journal.NextCursor()}
		told[i] = ended(recs[i])
	}

	if err := s.journal.Commit(recs...); err != nil {
		t.Fatal(err)
	}

	for _, rec := range recs {
		s.feed.Ended(rec)
	}

	return told
}

// server serves a hub over real connections.
func server(t testing.TB, h *Hub) *httptest.Server {
	t.Helper()

	mux := http.NewServeMux()
	mux.Handle("GET "+wire.PathMonitor, h.WebSocket())
	mux.Handle("GET "+wire.PathEvents, h.Events())

	srv := httptest.NewServer(mux)

	t.Cleanup(func() {
		h.Shut("the test is over")
		srv.Client().CloseIdleConnections()
		srv.Close()
	})

	return srv
}

// client is a connection of either kind.
type client interface {
	// next returns the next event; io.EOF: the server has ended the connection well.
	next(ctx context.Context) (wire.Event, error)
	close()
}

// dialer makes a connection.
type dialer func(ctx context.Context, c *http.Client, base string, w wire.Watch) (client, error)

// transports are the two ways to listen.
func transports() map[string]dialer {
	return map[string]dialer{"websocket": dialSocket, "events": dialEvents}
}

// socket is a WebSocket client.
type socket struct{ conn *websocket.Conn }

func dialSocket(ctx context.Context, c *http.Client, base string, w wire.Watch) (client, error) {
	//nolint:bodyclose // the library's business
	conn, _, err := websocket.Dial(ctx, base+wire.PathMonitor, &websocket.DialOptions{HTTPClient: c})
	if err != nil {
		return nil, err
	}

	conn.SetReadLimit(1 << 20)

	text, _ := json.Marshal(w)

	return socket{conn}, conn.Write(ctx, websocket.MessageText, text)
}

func (s socket) next(ctx context.Context) (wire.Event, error) {
	var e wire.Event

	kind, data, err := s.conn.Read(ctx)
	if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
		return e, io.EOF
	}

	if err != nil {
		return e, err
	}

	if kind != websocket.MessageText {
		return e, errors.New("no text")
	}

	return e, json.Unmarshal(data, &e)
}

func (s socket) close() { _ = s.conn.CloseNow() }

// stranger is a client of server-sent events.
type reader struct {
	answer *http.Response
	lines  *bufio.Reader
}

func dialEvents(ctx context.Context, c *http.Client, base string, w wire.Watch) (client, error) {
	q := url.Values{}
	for _, id := range w.Watch {
		q.Add("id", id.String())
	}

	if w.Spool != "" {
		q.Set("spool", w.Spool)
	}

	if w.All {
		q.Set("all", "true")
	}

	if w.Since != "" {
		q.Set("since", w.Since)
	}

	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+wire.PathEvents+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}

	answer, err := c.Do(r)
	if err != nil {
		return nil, err
	}

	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()

		text, _ := io.ReadAll(answer.Body)

		return nil, errors.New(answer.Status + " " + string(text))
	}

	return &reader{answer, bufio.NewReader(answer.Body)}, nil
}

func (r *reader) next(context.Context) (wire.Event, error) {
	var (
		e        wire.Event
		id, kind string
	)

	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return e, err
		}

		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")

		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return e, err
			}
		case "":
			if kind == "" {
				continue // a comment's
			}

			if id != e.Cursor || kind != string(e.Kind) {
				return e, errors.New("the fields differ from the data: " + id + ", " + kind)
			}

			return e, nil
		}
	}
}

func (r *reader) close() { r.answer.Body.Close() }

// listen connects to a server.
func listen(t testing.TB, dial dialer, srv *httptest.Server, w wire.Watch) *listening {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)

	c, err := dial(ctx, srv.Client(), srv.URL, w)
	if err != nil {
		cancel()
		t.Fatal(err)
	}

	l := &listening{t: t, client: c, ctx: ctx, cursor: w.Since}

	t.Cleanup(func() {
		c.close()
		cancel()
	})

	return l
}

// listening is a test that listens.
type listening struct {
	client

	t      testing.TB
	ctx    context.Context
	cursor string // the last one
}

// take returns the next event.
func (l *listening) take() wire.Event {
	l.t.Helper()

	e, err := l.next(l.ctx)
	if err != nil {
		l.t.Fatalf("no event comes: %v", err)
	}

	l.cursor = e.Cursor

	return e
}

// want demands what comes next: kinds, with the id of the job where there is one.
func (l *listening) want(wanted ...string) {
	l.t.Helper()

	for i, want := range wanted {
		if got := describe(l.take()); got != want {
			l.t.Fatalf("event %d of %q is %q", i, wanted, got)
		}
	}
}

// wantEOF demands that the server ends the connection well.
func (l *listening) wantEOF() {
	l.t.Helper()

	if e, err := l.next(l.ctx); !errors.Is(err, io.EOF) {
		l.t.Fatalf("then comes %v, %v", e, err)
	}
}

// describe says an event in a line.
func describe(e wire.Event) string {
	switch {
	case e.Job != nil:
		return string(e.Kind) + " " + e.Job.ID.String()
	case e.ID != nil:
		return string(e.Kind) + " " + e.ID.String()
	case e.Spool != "":
		return string(e.Kind) + " " + e.Spool
	case e.Reason != "":
		return string(e.Kind) + " " + e.Reason
	}

	return string(e.Kind)
}

func ended(rec job.Record) string   { return "ended " + rec.ID.String() }
func changed(rec job.Record) string { return "changed " + rec.ID.String() }

// eachTransport runs a test over both.
func eachTransport(t *testing.T, test func(t *testing.T, dial dialer)) {
	t.Helper()

	for name, dial := range transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, dial)
		})
	}
}

// present says how many clients a hub has.
func present(h *Hub) int {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.count
}
