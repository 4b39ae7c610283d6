package monitor

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// pipes is a listener of connections without any buffer in memory, so that a
// test owns the clock: what is not read blocks the writer at once.
type pipes struct {
	conns chan net.Conn // dial sends, Accept receives; nobody closes
	done  chan struct{} // closed by Close
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })

	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there

	return here, nil
}

// bubble runs a test with a clock of its own and a hub behind pipes.
func bubble(t *testing.T, o Options, test func(t *testing.T, h *Hub, c *http.Client)) {
	t.Helper()

	synctest.Test(t, func(t *testing.T) {
		h := New(o)
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}

		mux := http.NewServeMux()
		mux.Handle("GET "+wire.PathMonitor, h.WebSocket())
		mux.Handle("GET "+wire.PathEvents, h.Events())

		var serving sync.WaitGroup

		srv := http.Server{Handler: mux}
		serving.Go(func() { _ = srv.Serve(p) })

		c := &http.Client{Transport: &http.Transport{DialContext: p.dial, DisableKeepAlives: true}}

		test(t, h, c)

		h.Shut("the test is over")
		_ = srv.Close()
		serving.Wait()
	})
}

// rest lets the clients of a test take the rest, so that none of them is stuck at
// its end.
func rest(t *testing.T, c client) {
	t.Helper()

	for {
		if _, err := c.next(t.Context()); err != nil {
			return
		}
	}
}

const base = "http://pipe"

// TestSilentClient: who does not say what he wants is sent away.
func TestSilentClient(t *testing.T) {
	t.Parallel()
	bubble(t, Options{}, func(t *testing.T, _ *Hub, c *http.Client) {
		begin := time.Now()

		//nolint:bodyclose // the library's business
		conn, _, err := websocket.Dial(t.Context(), base+wire.PathMonitor, &websocket.DialOptions{HTTPClient: c})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow() //nolint:errcheck // nothing is left to say

		_, _, err = conn.Read(t.Context())

		e, ok := errors.AsType[websocket.CloseError](err)
		if !ok || e.Code != websocket.StatusPolicyViolation || !strings.Contains(e.Reason, "nothing was asked for") {
			t.Errorf("it is ended with %v", err)
		}

		if took := time.Since(begin); took < firstWithin || took > firstWithin+time.Second {
			t.Errorf("after %v", took)
		}
	})
}

// TestBeats: while nothing happens, both sides see that the other one lives; who
// does not answer is dropped, and who does is not.
func TestBeats(t *testing.T) {
	t.Parallel()

	t.Run("events", func(t *testing.T) {
		t.Parallel()
		bubble(t, Options{}, func(t *testing.T, h *Hub, c *http.Client) {
			openSpool(h, "a", newBook())

			answer, err := c.Get(base + wire.PathEvents + "?spool=a") //nolint:noctx // the bubble ends it
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()

			begin := time.Now()

			for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
				if strings.HasPrefix(lines.Text(), ":") {
					break
				}
			}

			if took := time.Since(begin); took != 25*time.Second {
				t.Errorf("a comment comes after %v", took)
			}
		})
	})

	t.Run("alive", func(t *testing.T) {
		t.Parallel()
		bubble(t, Options{}, func(t *testing.T, h *Hub, c *http.Client) {
			a := openSpool(h, "a", newBook())

			l, err := dialSocket(t.Context(), c, base, wire.Watch{Spool: "a"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()

			time.AfterFunc(time.Hour, func() { a.end(t, job.Record{}) })

			for _, want := range []wire.Kind{wire.KindReady, wire.KindEnded} {
				if e, err := l.next(t.Context()); err != nil || e.Kind != want {
					t.Fatalf("%v, %v instead of %s", e, err, want)
				}
			}
		})
	})

	t.Run("dead", func(t *testing.T) {
		t.Parallel()
		bubble(t, Options{}, func(t *testing.T, h *Hub, c *http.Client) {
			openSpool(h, "a", newBook())

			l, err := dialSocket(t.Context(), c, base, wire.Watch{Spool: "a"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()

			if _, err := l.next(t.Context()); err != nil {
				t.Fatal(err)
			}

			<-time.After(time.Minute) // it reads nothing, not even pings
			synctest.Wait()

			if present(h) != 0 {
				t.Error("a dead client is still there")
			}
		})
	})
}

// TestChangesAreBundled: of many changes of a job only the last one is told, ten
// times a second at most, and an end does not wait for them.
func TestChangesAreBundled(t *testing.T) {
	t.Parallel()

	for name, watch := range map[string]func(rec job.Record) wire.Watch{
		"spool": func(job.Record) wire.Watch { return wire.Watch{Spool: "a"} },
		"id":    func(rec job.Record) wire.Watch { return wire.Watch{Watch: []job.ID{rec.ID}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, Options{}, func(t *testing.T, h *Hub, c *http.Client) {
				a := openSpool(h, "a", newBook())
				rec := a.begin(t)

				l, err := dialEvents(t.Context(), c, base, watch(rec))
				if err != nil {
					t.Fatal(err)
				}
				defer l.close()

				go func() {
					for i := range 1000 {
						progress := float64(i+1) / 1000
						a.feed.Changed(rec, &progress)
						<-time.After(time.Millisecond)
					}

					a.end(t, rec)
				}()

				changes, last := 0, 0.0
				begin := time.Now()

				for {
					e, err := l.next(t.Context())
					if err != nil {
						t.Fatal(err)
					}

					if e.Kind == wire.KindEnded {
						break
					}

					if e.Kind == wire.KindChanged && e.Job.Progress != nil {
						changes++

						if *e.Job.Progress <= last {
							t.Errorf("the progress goes from %v to %v", last, *e.Job.Progress)
						}

						last = *e.Job.Progress
					}
				}

				if changes < 8 || changes > 12 {
					t.Errorf("%d changes were told in %v", changes, time.Since(begin))
				}

				if took := time.Since(begin); took > 1001*time.Millisecond {
					t.Errorf("the end came after %v", took)
				}

				if len(watch(rec).Watch) > 0 {
					rest(t, l)
				}
			})
		})
	}
}

// TestShut: all are told why it is over, after all that was told before; who does
// not read cannot hold it up; and nobody is let in any more.
func TestShut(t *testing.T) {
	t.Parallel()

	for name, dial := range transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, Options{}, func(t *testing.T, h *Hub, c *http.Client) {
				a := openSpool(h, "a", newBook())
				running := a.begin(t)

				var clients []client

				for _, w := range []wire.Watch{
					{Spool: "a"}, {All: true}, {Watch: []job.ID{running.ID}}, {Spool: "a"},
				} {
					l, err := dial(t.Context(), c, base, w)
					if err != nil {
						t.Fatal(err)
					}
					defer l.close()

					clients = append(clients, l)
				}

				for _, l := range clients[:3] {
					for e, err := l.next(t.Context()); e.Kind != wire.KindReady; e, err = l.next(t.Context()) {
						if err != nil {
							t.Fatal(err)
						}
					}
				}

				rec := a.end(t, job.Record{})
				begin := time.Now()

				var heard sync.WaitGroup

				for i, l := range clients[:3] {
					want := []string{ended(rec), "end the daemon ends"}
					if i == 2 {
						want = want[1:]
					}

					heard.Go(func() {
						for _, w := range want {
							if e, err := l.next(t.Context()); err != nil || describe(e) != w {
								t.Errorf("client %d hears %v, %v instead of %s", i, e, err, w)
							}
						}

						rest(t, l)
					})
				}

				h.Shut("the daemon ends")
				heard.Wait()

				if took := time.Since(begin); took > shutGrace || present(h) != 0 {
					t.Errorf("it took %v, %d clients are left", took, present(h))
				}

				h.Shut("again")

				_, err := dial(t.Context(), c, base, wire.Watch{All: true})
				if err == nil || !strings.Contains(err.Error(), "503") {
					t.Errorf("somebody is let in, %v", err)
				}
			})
		})
	}
}
