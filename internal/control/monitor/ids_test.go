package monitor

import (
	"net/http"
	"slices"
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

		defer b.journal.(real).shut()
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

// TestInboxIsBounded: a client that does not look costs one end for each id.
func TestInboxIsBounded(t *testing.T) {
	t.Parallel()

	h := New(Options{})
	a := openSpool(h, "a", newBook())
	rec := a.begin(t)
	s := newIDs(h, []job.ID{rec.ID}, resume{})

	for range 3 {
		a.end(t, rec)
	}

	if len(s.inbox) != 1 {
		t.Errorf("the inbox holds %d", len(s.inbox))
	}

	s.close()
	a.end(t, rec)

	if len(s.inbox) != 1 || len(h.byID)+len(h.watchers) != 0 {
		t.Error("the hub goes on after the end")
	}
}

// TestInboxWaitsForALookup: a spool may open, and tell, between a look into the
// journals and one into the inbox. What it had told before must come first.
func TestInboxWaitsForALookup(t *testing.T) {
	t.Parallel()

	h := New(Options{Spools: []string{"a"}})
	book := newBook()
	first := openSpool(New(Options{}), "a", book).end(t, job.Record{})

	a := &spool{name: "a", journal: book}
	second := a.begin(t)
	s := newIDs(h, []job.ID{first.ID, second.ID}, resume{})

	if _, err := s.lookUp(); err != nil {
		t.Fatal(err)
	}

	a.feed = h.Feed("a", book)
	second = a.end(t, second)

	var b batch

	if s.unpack(&b, true); len(b.messages) != 0 || !b.more {
		t.Errorf("%+v", b)
	}

	b, err := s.fetch(true)
	if err != nil || len(b.messages) != 2 || b.messages[1].cursor != h.CursorOf(second) || !b.over {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestSpoolClosesBeforeALookup: what a spool told while it was open for a moment
// is not told before what had ended earlier.
func TestSpoolClosesBeforeALookup(t *testing.T) {
	t.Parallel()

	h := New(Options{Spools: []string{"a"}})
	book := newBook()
	first := openSpool(New(Options{}), "a", book).end(t, job.Record{})

	a := &spool{name: "a", journal: book}
	second, third, retried := a.begin(t), a.begin(t), a.begin(t)
	s := newIDs(h, []job.ID{first.ID, second.ID, third.ID, retried.ID}, resume{})

	a.feed = h.Feed("a", book)
	second, retried = a.end(t, second), a.end(t, retried)
	a.feed.Close()

	if b, err := s.fetch(true); err != nil || len(b.messages) != 0 {
		t.Errorf("%+v, %v", b, err)
	}

	retried.State = job.Deferred
	if err := book.Commit(retried); err != nil {
		t.Fatal(err)
	}

	a.feed = h.Feed("a", book)
	third = a.end(t, third)

	b, err := s.fetch(false)
	if err != nil {
		t.Fatal(err)
	}

	retried = a.end(t, retried)

	more, err := s.fetch(false)
	if err != nil || !more.over {
		t.Fatalf("%+v, %v", more, err)
	}

	told := slices.DeleteFunc(append(b.messages, more.messages...), func(m message) bool { return !m.isEnd() })

	for i, rec := range []job.Record{first, second, third, retried} {
		if i >= len(told) || told[i].cursor != h.CursorOf(rec) {
			t.Fatalf("end %d is not told as it should", i)
		}
	}
}

// TestUnknownIDsAreToldOnce: also a browser that asks for nothing else gets a
// cursor, and is told not to come again.
func TestUnknownIDsAreToldOnce(t *testing.T) {
	t.Parallel()

	h := New(Options{})
	srv := server(t, h)
	openSpool(h, "a", newBook())

	w := wire.Watch{Watch: []job.ID{job.NewID()}}

	l := listen(t, dialEvents, srv, w)
	l.want("unknown "+w.Watch[0].String(), "ready", "end "+wire.ReasonAllTold)

	answer, body := ask(t, srv.Client(), srv.URL+wire.PathEvents+"?id="+w.Watch[0].String(), l.cursor)
	if answer.StatusCode != http.StatusNoContent || l.cursor == "" {
		t.Errorf("with %q: %d %s", l.cursor, answer.StatusCode, body)
	}
}
