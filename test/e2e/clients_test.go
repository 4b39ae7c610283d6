package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/uuid"
)

const (
	uploaders = 20
	uploads   = 15 // of each uploader
	monitors  = 50
	kills     = 4
)

// TestClientsLearnEachOutcomeOnce has many clients upload, watch, go away and come
// back while the daemon is killed and started again. Each monitor learns the outcome of
// each job exactly once. Nothing of the daemon's own client is used.
func TestClientsLearnEachOutcomeOnce(t *testing.T) {
	t.Parallel()

	c := newClients(t)
	daemon := c.start()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	all := make([]*watcher, 0, monitors)

	var watching, uploading sync.WaitGroup

	for n := range monitors {
		w := &watcher{clients: c, overWS: n%2 == 0, ready: make(chan struct{}), seen: map[string][]string{}}
		all = append(all, w)

		if n%5 == 4 { // one in five asks for the jobs by their ids, when they are there
			w.ids = c.idsOf(n % uploaders)

			continue
		}

		if n%5 == 3 {
			w.what = url.Values{"spool": {"spool"}}
		} else {
			w.what = url.Values{"all": {"true"}}
		}

		watching.Go(func() { w.watch(ctx) })
	}

	for _, w := range all {
		if w.ids == nil {
			c.awaitClosed(ctx, "a monitor is ready", w.ready)
		}
	}

	for u := range uploaders {
		uploading.Go(func() {
			for i := range uploads {
				c.upload(ctx, u*uploads+i)
			}
		})
	}

	for n := range kills {
		c.await("more is done", func() bool { return c.ended() > (n+1)*uploaders*uploads/(kills+2) })
		daemon = c.again(daemon, n%2 == 0)
	}

	uploading.Wait()

	for _, w := range all {
		if w.ids != nil {
			watching.Go(func() { w.watch(ctx) })
		}
	}

	watching.Wait()
	c.stop(daemon)

	for n, w := range all {
		w.check(n)
	}

	log, err := os.ReadFile(filepath.Join(c.outside, "log"))
	if err != nil {
		t.Fatal(err)
	}

	if at := strings.Index(string(log), "DATA RACE"); at >= 0 {
		t.Error(string(log[at:]))
	}
}

// clients are all that use the daemon of one spool.
type clients struct {
	*bench

	http *http.Client
	ids  []string // of all jobs, chosen before
}

func newClients(t *testing.T) *clients {
	t.Helper()

	c := &clients{bench: newBench(t)}
	socket := filepath.Join(c.spool, ".importerd", "importerd.sock")
	c.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}

	for range uploaders * uploads {
		c.ids = append(c.ids, uuid.Must(uuid.NewV7()).String())
	}

	return c
}

// idsOf returns the ids of the jobs of one uploader.
func (c *clients) idsOf(uploader int) []string { return c.ids[uploader*uploads : (uploader+1)*uploads] }

// name of a file says what shall become of it.
func (c *clients) name(n int) string {
	if n%10 == 9 {
		return fmt.Sprintf("%04d.bad", n)
	}

	return fmt.Sprintf("%04d.good", n)
}

// start starts the daemon and returns when it says that it is ready.
func (c *clients) start() *exec.Cmd {
	c.Helper()

	log, err := os.OpenFile(filepath.Join(c.outside, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.Fatal(err)
	}
	defer log.Close()

	daemon := exec.CommandContext(c.Context(), c.binary, "run", "--spool", c.spool,
		"--workers", "4", "--backoff", "50ms..1s",
		"--", "sh", "-c", `case $1 in *.bad*) exit 65 ;; esac`, "sh", "{}")
	daemon.Stderr = log

	if err := daemon.Start(); err != nil {
		c.Fatal(err)
	}

	c.await("the daemon is ready", func() bool {
		answer, err := c.ask(c.Context(), http.MethodGet, "/readyz", nil, nil)

		return err == nil && answer == http.StatusOK
	})

	return daemon
}

// again ends the daemon, with or without its knowledge, and starts another one.
func (c *clients) again(daemon *exec.Cmd, kill bool) *exec.Cmd {
	c.Helper()

	if !kill {
		c.stop(daemon)

		return c.start()
	}

	if err := daemon.Process.Kill(); err != nil {
		c.Fatal(err)
	}

	_ = daemon.Wait() // it was killed

	return c.start()
}

// stop ends the daemon well.
func (c *clients) stop(daemon *exec.Cmd) {
	c.Helper()

	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		c.Fatal(err)
	}

	if err := daemon.Wait(); err != nil {
		log, _ := os.ReadFile(filepath.Join(c.outside, "log"))
		c.Errorf("the daemon ended with %v, want exit status 0\n%s", err, log[max(0, len(log)-4000):])
	}
}

// ended returns how many jobs have ended.
func (c *clients) ended() int { return len(c.list("done")) + len(c.list("failed")) }

// ask sends a request and returns the status of the answer.
func (c *clients) ask(ctx context.Context, method, path string, header http.Header, body io.Reader) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, body)
	if err != nil {
		return 0, err
	}

	maps.Copy(r.Header, header)

	answer, err := c.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()

	_, err = io.Copy(io.Discard, answer.Body)

	return answer.StatusCode, err
}

// upload uploads a file until it is accepted, each time under the same key.
func (c *clients) upload(ctx context.Context, n int) {
	header := http.Header{"Idempotency-Key": {c.ids[n]}}

	c.retry(ctx, func() bool {
		status, err := c.ask(ctx, http.MethodPost, "/v1/spools/spool/files?name="+c.name(n), header, strings.NewReader("x"))
		if err == nil && status != http.StatusCreated && status != http.StatusOK && status != http.StatusServiceUnavailable {
			c.Errorf("upload of %s: %d", c.name(n), status)
		}

		return err == nil && status < http.StatusMultipleChoices
	})
}

// retry calls f until it says that it was well.
func (c *clients) retry(ctx context.Context, f func() bool) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()

	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// awaitClosed waits until a channel is closed.
func (c *clients) awaitClosed(ctx context.Context, what string, ch <-chan struct{}) {
	c.Helper()

	select {
	case <-ch:
	case <-ctx.Done():
		c.Fatalf("waited in vain until %s", what)
	}
}

// watcher is one client of the monitor, with what it has learnt.
type watcher struct {
	*clients

	overWS bool
	what   url.Values    // it watches; nil: ids
	ids    []string      // it asks for; nil: what
	ready  chan struct{} // closed when it is told of all that happens

	once   sync.Once
	cursor string
	seen   map[string][]string // by id: the states that it was told
}

// event is what a watcher understands of an event.
type event struct {
	Kind   string `json:"kind"`
	Cursor string `json:"cursor"`
	Job    struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"job"`
}

// errEnough says that a watcher goes away for a moment.
var errEnough = errors.New("enough for now")

// wants returns how many ends it must learn.
func (w *watcher) wants() int {
	if w.ids != nil {
		return len(w.ids)
	}

	return uploaders * uploads
}

// watch watches until it has learnt all. It loses the connection when the daemon
// dies, and leaves by itself now and then.
func (w *watcher) watch(ctx context.Context) {
	w.retry(ctx, func() bool {
		left := 5 + rand.IntN(60) // events until it goes away

		take := func(e event) error {
			if left--; left < 0 {
				return errEnough
			}

			return w.take(e)
		}

		if w.overWS {
			_ = w.listenWS(ctx, take) // whatever it is, it comes back
		} else {
			_ = w.listenSSE(ctx, take)
		}

		return len(w.seen) >= w.wants()
	})
}

// take learns from an event.
func (w *watcher) take(e event) error {
	if e.Kind == "ended" {
		w.seen[e.Job.ID] = append(w.seen[e.Job.ID], e.Job.State)
	}

	if e.Cursor != "" {
		w.cursor = e.Cursor
	}

	if e.Kind == "ready" {
		w.once.Do(func() { close(w.ready) })
	}

	if e.Kind == "unknown" || e.Kind == "reset" {
		w.Errorf("told %q", e.Kind)
	}

	if len(w.seen) >= w.wants() {
		return errEnough
	}

	return nil
}

// listenWS listens over a WebSocket.
func (w *watcher) listenWS(ctx context.Context, take func(event) error) error {
	conn, _, err := websocket.Dial(ctx, "ws://localhost/v1/monitor", &websocket.DialOptions{HTTPClient: w.http})
	if err != nil {
		return err
	}
	defer conn.CloseNow() //nolint:errcheck // it may be gone

	watch := map[string]any{}
	if w.cursor != "" {
		watch["since"] = w.cursor
	}

	switch {
	case w.ids != nil:
		watch["watch"] = w.ids
	case w.what.Has("spool"):
		watch["spool"] = w.what.Get("spool")
	default:
		watch["all"] = true
	}

	if err := wsjson.Write(ctx, conn, watch); err != nil {
		return err
	}

	for {
		var e event
		if err := wsjson.Read(ctx, conn, &e); err != nil {
			return err
		}

		if err := take(e); err != nil {
			return err
		}
	}
}

// listenSSE listens to server-sent events.
func (w *watcher) listenSSE(ctx context.Context, take func(event) error) error {
	query := url.Values{"id": w.ids}
	if w.ids == nil {
		query = w.what
	}

	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/v1/events?"+query.Encode(), nil)
	if err != nil {
		return err
	}

	if w.cursor != "" {
		r.Header.Set("Last-Event-ID", w.cursor)
	}

	answer, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()

	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}

		var e event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return err
		}

		if err := take(e); err != nil {
			return err
		}
	}

	return io.ErrUnexpectedEOF
}

// check wants each outcome learnt once.
func (w *watcher) check(n int) {
	w.Helper()

	for i, id := range w.clients.ids {
		if w.ids != nil && !slices.Contains(w.ids, id) {
			continue
		}

		want := "done"
		if strings.HasSuffix(w.name(i), ".bad") {
			want = "failed"
		}

		if got := w.seen[id]; len(got) != 1 || got[0] != want {
			w.Errorf("monitor %d (WebSocket: %t) was told of %s: %q, want %s once", n, w.overWS, w.name(i), got, want)
		}
	}
}
