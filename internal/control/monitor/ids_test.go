package monitor

import (
	"sync"
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

func TestIDsAreToldOnce(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		h := New(Options{Spools: []string{"a", "b"}})
		srv := server(t, h)
		a, b := openSpool(h, "a", newBook()), openSpool(h, "b", openReal(t, t.TempDir()))

		defer b.journal.(real).Close()
		defer b.feed.Close()

		early, earlier := a.end(t, job.Record{}), b.end(t, job.Record{})
		last := a.end(t, job.Record{})
		running, other, nobody := a.begin(t), b.begin(t), job.NewID()

		l := listen(t, dial, srv, wire.Watch{
			Watch: []job.ID{last.ID, running.ID, nobody, early.ID, earlier.ID, early.ID},
		})
		l.want(ended(early), ended(last), ended(earlier), changed(running), "unknown "+nobody.String(), "ready")

		b.end(t, other) // nobody has asked for it
		a.end(t, job.Record{})

		progress := 0.5
		a.feed.Changed(running, &progress)

		if e := l.take(); describe(e) != changed(running) || *e.Job.Progress != 0.5 {
			t.Errorf("instead of the progress comes %+v", e)
		}

		end := a.end(t, running)

		e := l.take()
		if describe(e) != ended(running) || e.Job.State != job.Done || e.Job.Cursor != h.CursorOf(end) || e.Job.Cursor == "" {
			t.Errorf("instead of the end comes %+v", e.Job)
		}

		l.want("end " + wire.ReasonAllTold)
		l.wantEOF()
	})
}

// TestRetriedJobIsToldOnce: whoever has asked for an id is told of its next end
// and not of others.
func TestRetriedJobIsToldOnce(t *testing.T) {
	t.Parallel()

	h := New(Options{})
	srv := server(t, h)
	a := openSpool(h, "a", newBook())
	rec, other := a.begin(t), a.begin(t)

	l := listen(t, dialSocket, srv, wire.Watch{Watch: []job.ID{rec.ID, other.ID}})
	for range 3 { // two changes in any order
		l.take()
	}

	rec = a.end(t, rec)
	rec.State = job.Deferred
	a.feed.Changed(rec, nil)
	a.end(t, rec)
	a.end(t, other)

	l.want(ended(rec), ended(other), "end "+wire.ReasonAllTold)
}

// TestIDsWaitForSpools: while a spool is not open, nobody can say that there is no
// such job.
func TestIDsWaitForSpools(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		h := New(Options{Spools: []string{"a", "b"}})
		srv := server(t, h)
		a, late := openSpool(h, "a", newBook()), newBook()
		before := New(Options{})
		done := openSpool(before, "b", late).end(t, job.Record{})
		running, nobody := a.begin(t), job.NewID()

		l := listen(t, dial, srv, wire.Watch{Watch: []job.ID{done.ID, running.ID, nobody}})
		l.want(changed(running), "ready")

		b := openSpool(h, "b", late)
		l.want(ended(done), "unknown "+nobody.String())

		// The other spool comes back, and has gone on meanwhile.
		b.feed.Close()
		a.feed.Close()

		rec := a.finish(t, running)

		a.feed = h.Feed("a", a.journal)
		l.want(ended(rec), "end "+wire.ReasonAllTold)
	})
}

// hooked is a journal that does something when it is asked for a job.
type hooked struct {
	*book

	asked func()
}

func (h hooked) Get(id job.ID) (job.Record, error) {
	h.asked()

	return h.book.Get(id)
}

// TestSpoolClosesUnderALookup: what was found in a journal that was closed then may
// be the later half only. Nothing is told before all can be told in order.
func TestSpoolClosesUnderALookup(t *testing.T) {
	t.Parallel()

	h := New(Options{Spools: []string{"a"}})
	a := &spool{name: "a", journal: newBook()}

	var (
		closing sync.WaitGroup
		once    sync.Once
	)

	a.feed = h.Feed("a", hooked{a.journal.(*book), func() {
		once.Do(func() {
			closing.Go(a.feed.Close)
			until(t, func() bool {
				h.mu.Lock()
				defer h.mu.Unlock()

				return a.feed.closed
			})
		})
	}})

	first, second := a.end(t, job.Record{}), a.end(t, job.Record{})

	sub, err := h.subscribe(wire.Watch{Watch: []job.ID{first.ID, second.ID}})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.close()

	if b, err := sub.fetch(true); err != nil || len(b.messages) != 0 || b.over || b.cursor != "" {
		t.Errorf("%+v, %v", b, err)
	}

	closing.Wait()
	h.Feed("a", a.journal)

	b, err := sub.fetch(true)
	if err != nil || len(b.messages) != 2 || !b.over ||
		b.messages[0].cursor != h.CursorOf(first) || b.messages[1].cursor != h.CursorOf(second) {
		t.Errorf("%+v, %v", b, err)
	}
}
