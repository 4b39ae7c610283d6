package monitor

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// TestSpoolsComeAndGo: an id is unknown when no spool that there is has it, and never
// before.
func TestSpoolsComeAndGo(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		h := New(Options{Spools: []string{"a", "b"}})
		srv := server(t, h)
		a, b := openSpool(h, "a", newBook()), openSpool(h, "b", newBook())
		ofA, ofB, last := a.begin(t), b.begin(t), b.begin(t)

		l := listen(t, dial, srv, wire.Watch{Watch: []job.ID{ofA.ID, ofB.ID, last.ID}})
		for range 4 { // three changes in any order
			l.take()
		}

		h.SetSpools([]string{"a", "c"}) // b still has a feed, c has none yet
		b.end(t, last)
		b.feed.Close()
		l.want(ended(last))
		h.SetSpools([]string{"a", "c"})

		c := openSpool(h, "c", newBook())
		l.want("unknown " + ofB.ID.String())
		a.end(t, ofA)
		l.want(ended(ofA), "end "+wire.ReasonAllTold)

		if _, err := h.subscribe(wire.Watch{Spool: "b"}); err == nil {
			t.Error("a spool that is gone can be watched")
		}

		rec := c.end(t, job.Record{})
		l = listen(t, dial, srv, wire.Watch{Spool: "c"})
		l.want("ready")
		c.end(t, rec)
	})
}

// TestEndsOfASpoolThatGoes: what was told before it has gone does not become unknown,
// however late the client asks for it.
func TestEndsOfASpoolThatGoes(t *testing.T) {
	t.Parallel()

	h := New(Options{Spools: []string{"a", "b"}})
	openSpool(h, "b", newBook())

	for _, looked := range []bool{true, false} {
		h.SetSpools([]string{"a", "b"})

		a := openSpool(h, "a", newBook())
		rec := a.begin(t)
		s := newIDs(h, []job.ID{rec.ID}, resume{})

		if looked {
			if _, err := s.fetch(true); err != nil {
				t.Fatal(err)
			}
		}

		a.end(t, rec)
		a.feed.Close()
		h.SetSpools([]string{"b"})

		got, err := s.fetch(true)
		if err != nil || len(got.messages) != 1 || got.messages[0].kind != wire.KindEnded || !got.over {
			t.Errorf("looked up before: %v; told %+v, %v", looked, got, err)
		}

		s.close()
	}
}

// TestWaitForAJobOfASpoolThatGoes ends.
func TestWaitForAJobOfASpoolThatGoes(t *testing.T) {
	t.Parallel()

	h := New(Options{Spools: []string{"a", "b"}})
	openSpool(h, "b", newBook())

	a := openSpool(h, "a", newBook())
	rec := a.begin(t)
	ended := make(chan error, 1)

	go func() {
		_, err := h.Wait(t.Context(), rec.ID)
		ended <- err
	}()

	a.feed.Close()
	h.SetSpools([]string{"b"})

	if err := <-ended; !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the wait ends with %v", err)
	}
}

// TestFinish waits for those who watch, and not for those who do not read.
func TestFinish(t *testing.T) {
	t.Parallel()

	h := New(Options{Spools: []string{"a", "b"}})
	srv := server(t, h)
	a, b := openSpool(h, "a", newBook()), openSpool(h, "b", newBook())

	l := listen(t, dialSocket, srv, wire.Watch{All: true})
	l.want("ready")

	told := a.endMany(t, 3*batchSize)
	b.end(t, job.Record{})
	a.feed.Finish(t.Context())
	a.feed.Close()
	h.SetSpools([]string{"b"})

	for range len(told) + 1 {
		if e := l.take(); e.Kind != wire.KindEnded {
			t.Fatalf("told %+v", e)
		}
	}

	newStream(h, "b", resume{}) // of somebody who never asks
	b.end(t, job.Record{})

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.feed.Finish(ctx)
}
