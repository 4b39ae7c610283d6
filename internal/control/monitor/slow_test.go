package monitor

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// TestSlowReaders: who does not read is cut off, the job and the others are not
// kept waiting for a moment.
func TestSlowReaders(t *testing.T) {
	t.Parallel()

	for name, dial := range transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, Options{}, func(t *testing.T, h *Hub, c *http.Client) {
				a := openSpool(h, "a", newBook())

				stuck, err := dial(t.Context(), c, base, wire.Watch{Spool: "a"})
				if err != nil {
					t.Fatal(err)
				}
				defer stuck.close()

				good, err := dial(t.Context(), c, base, wire.Watch{All: true})
				if err != nil {
					t.Fatal(err)
				}
				defer good.close()

				if e, err := good.next(t.Context()); err != nil || e.Kind != wire.KindReady {
					t.Fatalf("%v, %v", e, err)
				}

				begin := time.Now()

				for range 5 * ringSize {
					want := ended(a.end(t, job.Record{}))

					if e, err := good.next(t.Context()); err != nil || describe(e) != want {
						t.Fatalf("%v, %v instead of %s", e, err, want)
					}
				}

				if took := time.Since(begin); took != 0 {
					t.Errorf("a client that does not read kept others for %v", took)
				}

				reading, done := context.WithCancel(t.Context())
				defer done()

				go func() { _, _ = good.next(reading) }() // else it would not answer pings

				<-time.After(29 * time.Second)
				synctest.Wait()

				if present(h) != 2 {
					t.Errorf("after 29 s there are %d clients", present(h))
				}

				<-time.After(time.Second)
				synctest.Wait()

				if present(h) != 1 {
					t.Errorf("after 30 s there are %d clients", present(h))
				}
			})
		})
	}
}

// TestLag: who reads, but slower than is told, is told so and cut off.
func TestLag(t *testing.T) {
	t.Parallel()

	for name, dial := range transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, Options{}, func(t *testing.T, h *Hub, c *http.Client) {
				a := openSpool(h, "a", newBook())

				l, err := dial(t.Context(), c, base, wire.Watch{Spool: "a"})
				if err != nil {
					t.Fatal(err)
				}
				defer l.close()

				begin, seen := time.Now(), 0

				for {
					e, err := l.next(t.Context())
					if err != nil {
						t.Fatal(err)
					}

					if e.Kind == wire.KindEnd {
						if e.Reason != errSlow.reason {
							t.Errorf("the reason is %s", e.Reason)
						}

						break
					}

					seen++

					for range 10 {
						a.end(t, job.Record{})
					}

					<-time.After(100 * time.Millisecond)
				}

				if took := time.Since(begin); took < time.Minute || took > 2*time.Minute {
					t.Errorf("it was cut off after %v and %d events", took, seen)
				}

				if _, err := l.next(t.Context()); err == nil {
					t.Error("something follows the end")
				}
			})
		})
	}
}
