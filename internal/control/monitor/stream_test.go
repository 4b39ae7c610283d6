package monitor

import (
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

func TestSpoolIsToldFromNowOn(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		h := New(Options{})
		srv := server(t, h)
		a, b := openSpool(h, "a", newBook()), openSpool(h, "b", newBook())

		a.end(t, job.Record{})

		running, waiting, gone := a.begin(t), a.begin(t), a.begin(t)
		for _, rec := range []job.Record{running, waiting, gone} {
			a.feed.Changed(rec, nil)
		}

		b.feed.Changed(b.begin(t), nil)

		waiting.State = job.Deferred
		a.feed.Changed(waiting, nil)
		a.end(t, gone)

		l := listen(t, dial, srv, wire.Watch{Spool: "a"})
		l.want(changed(running), "ready")

		b.end(t, job.Record{})

		first := a.end(t, running)
		l.want(ended(first))

		a.feed.Changed(waiting, nil)
		l.want(changed(waiting))

		second := a.end(t, waiting)
		l.want(ended(second))

		if l.cursor != h.CursorOf(second) {
			t.Errorf("after an end the cursor is %s, that of the job is %s", l.cursor, h.CursorOf(second))
		}

		third := a.end(t, job.Record{})

		l = listen(t, dial, srv, wire.Watch{Spool: "a", Since: h.CursorOf(first)})
		l.want(ended(second), ended(third), "ready")
	})
}

func TestAllSpools(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		h := New(Options{Spools: []string{"a", "b", "c"}})
		srv := server(t, h)
		a, b := openSpool(h, "a", newBook()), openSpool(h, "b", newBook())

		l := listen(t, dial, srv, wire.Watch{All: true})
		l.want("ready")

		first := a.end(t, job.Record{})
		l.want(ended(first))

		since := l.cursor
		second := b.end(t, job.Record{})
		l.want(ended(second))

		// A spool that comes later is told from its begin on.
		book := newBook()
		openSpool(New(Options{}), "c", book).end(t, job.Record{})

		c := openSpool(h, "c", book)
		third := c.end(t, job.Record{})
		l.want(ended(third))

		// Where the client was, that spool was not known: it wants all of it.
		l = listen(t, dial, srv, wire.Watch{All: true, Since: since})

		got := map[string]bool{}
		for range 3 {
			got[describe(l.take())] = true
		}

		if len(got) != 3 || got["ready"] || !got[ended(second)] || !got[ended(third)] {
			t.Errorf("told is %v", got)
		}

		l.want("ready")

		// A cursor that says nothing of the others: they are told from now on.
		l = listen(t, dial, srv, wire.Watch{All: true, Since: h.CursorOf(first)})
		l.want("ready")
		l.want(ended(c.end(t, job.Record{})))
	})
}

// TestRestart: a hub that knows nothing yet tells what happened before it was
// there, from the journal.
func TestRestart(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		dir := t.TempDir()
		journal := openReal(t, dir)
		h := New(Options{})
		srv := server(t, h)
		a := openSpool(h, "a", journal)
		waits, before := a.begin(t), a.begin(t)

		stream := listen(t, dial, srv, wire.Watch{Spool: "a"})
		stream.want("ready")

		ids := listen(t, dial, srv, wire.Watch{Watch: []job.ID{waits.ID, before.ID}})
		for range 3 {
			ids.take()
		}

		a.end(t, before)
		stream.want(ended(before))
		ids.want(ended(before))

		want := append([]string{ended(a.end(t, waits))}, a.endMany(t, 3*batchSize)...)

		stream.close()
		ids.close()
		h.Shut("restart")
		a.feed.Close()

		if err := journal.Close(); err != nil {
			t.Fatal(err)
		}

		journal = openReal(t, dir)
		defer journal.shut()

		h = New(Options{})
		srv = server(t, h)

		a = openSpool(h, "a", journal)
		defer a.feed.Close()

		stream = listen(t, dial, srv, wire.Watch{Spool: "a", Since: stream.cursor})
		stream.want(append(want, "ready")...)
		stream.want(ended(a.end(t, job.Record{})))

		ids = listen(t, dial, srv, wire.Watch{Watch: []job.ID{waits.ID, before.ID}, Since: ids.cursor})
		ids.want(want[0], "ready", "end "+wire.ReasonAllTold)
	})
}

// TestFarBehind: who is further back than what is kept in memory is told from the
// journal, and nothing is lost where the two meet.
func TestFarBehind(t *testing.T) {
	t.Parallel()

	h := New(Options{})
	srv := server(t, h)
	book := newBook()
	a := openSpool(h, "a", book)
	first := a.end(t, job.Record{})

	want := a.endMany(t, ringSize+batchSize+3)

	l := listen(t, dialEvents, srv, wire.Watch{Spool: "a", Since: h.CursorOf(first)})
	l.want(want...)
	l.want("ready")

	if book.pages == 0 || book.pages > 3 {
		t.Errorf("%d pages were read", book.pages)
	}

	if floor := a.feed.ring.floor; floor == 0 || len(a.feed.ring.entries) != ringSize {
		t.Errorf("the ring holds %d from %d on", len(a.feed.ring.entries), floor)
	}
}

// TestWithheld: an end that stands in the journal and is not true yet is told to
// nobody, whichever way he asks.
func TestWithheld(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		h := New(Options{})
		srv := server(t, h)
		a := openSpool(h, "a", newBook())
		origin := a.end(t, job.Record{})
		rec := a.finish(t, a.begin(t))

		byID := listen(t, dial, srv, wire.Watch{Watch: []job.ID{rec.ID}})
		byID.want("ready") // it is neither ended nor anything else

		a.feed.Withhold([]job.ID{rec.ID})

		later := a.end(t, job.Record{})

		// From the ring, and from the journal.
		ring := listen(t, dial, srv, wire.Watch{Spool: "a", Since: h.CursorOf(origin)})
		ring.want(ended(later), "ready")

		a.feed.Close()
		a.feed = h.Feed("a", a.journal)
		a.feed.Withhold([]job.ID{rec.ID})

		pages := listen(t, dial, srv, wire.Watch{Spool: "a", Since: h.CursorOf(origin)})
		pages.want(ended(later), "ready")

		again := listen(t, dial, srv, wire.Watch{Watch: []job.ID{rec.ID, later.ID}})
		again.want(ended(later), "ready")

		if h.CursorOf(rec) != "" {
			t.Error("an end that is not true has a cursor")
		}

		rec = a.end(t, rec)
		for _, l := range []*listening{byID, ring, pages, again} {
			l.want(ended(rec))
		}
	})
}

func TestJournalIsGone(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		old := New(Options{})
		lost := openSpool(old, "a", newBook())
		gone := lost.end(t, job.Record{})

		h := New(Options{})
		srv := server(t, h)
		a := openSpool(h, "a", newBook())
		done, running := a.end(t, job.Record{}), a.begin(t)
		a.feed.Changed(running, nil)

		since := old.CursorOf(gone)

		stream := listen(t, dial, srv, wire.Watch{Spool: "a", Since: since})
		stream.want("reset a", changed(running), "ready")

		byID := listen(t, dial, srv, wire.Watch{Watch: []job.ID{gone.ID, done.ID, running.ID}, Since: since})
		byID.want("reset a", ended(done), changed(running), "unknown "+gone.ID.String(), "ready")

		// An older copy of the journal was put back.
		ahead := wire.Cursor{{Spool: "a", Journal: a.journal.ID(), Number: 7}}.String()

		restored := listen(t, dial, srv, wire.Watch{Spool: "a", Since: ahead})
		restored.want("reset a", changed(running), "ready")

		restoredByID := listen(t, dial, srv, wire.Watch{Watch: []job.ID{done.ID}, Since: ahead})
		restoredByID.want("reset a", ended(done), "ready", "end "+wire.ReasonAllTold)

		// The spool is lost while clients watch, and comes back with another journal.
		a.feed.Close()

		a = openSpool(h, "a", newBook())
		stream.want("reset a", "ready")
		byID.want("reset a", "unknown "+running.ID.String(), "ready", "end "+wire.ReasonAllTold)

		restored.want("reset a", "ready")

		next := a.end(t, job.Record{})
		stream.want(ended(next))
		restored.want(ended(next))
	})
}

// TestSpoolComesBack: with the same journal, clients go on where they were.
func TestSpoolComesBack(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, dial dialer) {
		t.Helper()

		h := New(Options{})
		srv := server(t, h)
		a := openSpool(h, "a", newBook())

		l := listen(t, dial, srv, wire.Watch{All: true})
		l.want("ready")
		l.want(ended(a.end(t, job.Record{})))

		a.feed.Close()

		want := []string{ended(a.finish(t, a.begin(t))), ended(a.finish(t, a.begin(t)))}
		a.feed = h.Feed("a", a.journal)

		l.want(append(want, ended(a.end(t, job.Record{})))...)
	})
}
