package monitor

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// told is one end as a client heard it.
type told struct {
	spool  string
	id     job.ID
	cursor string
}

// wanderer is a client that loses its connection and comes back with its cursor.
type wanderer struct {
	watch  wire.Watch
	sub    subscription
	queue  []message // sent and not yet read
	cursor string
	heard  []told
}

// world is some spools and their clients, played by rapid.
type world struct {
	t       *rapid.T
	outer   *testing.T
	hub     *Hub
	spools  []*spool
	jobs    map[job.ID]*spool
	open    []job.Record // not ended
	ended   []job.Record // ended and told, or to be told when the spool is open again
	held    []job.Record // in the journal with an end that is not true yet
	clients []*wanderer
}

func (w *world) options() Options { return Options{Spools: []string{"a", "b"}} }

// connect lets a client come (back).
func (w *world) connect(c *wanderer) {
	if c.sub != nil {
		c.sub.close()
	}

	watch := c.watch
	watch.Since = c.cursor

	sub, err := w.hub.subscribe(watch)
	if err != nil {
		w.t.Fatal(err)
	}

	c.sub, c.queue = sub, nil
}

// read lets a client read up to n messages.
func (w *world) read(c *wanderer, n int) {
	for range n {
		for more := true; len(c.queue) == 0; {
			if !more {
				return
			}

			b, err := c.sub.fetch(true)
			if err != nil {
				w.t.Fatal(err)
			}

			c.queue, more = b.messages, b.more
		}

		m := c.queue[0]
		c.queue, c.cursor = c.queue[1:], m.cursor

		var e wire.Event
		if err := json.Unmarshal(m.data, &e); err != nil {
			w.t.Fatal(err)
		}

		if e.Kind == wire.KindEnded {
			c.heard = append(c.heard, told{e.Job.Spool, e.Job.ID, e.Job.Cursor})
		}
	}
}

// drop removes the i-th of list.
func drop(list []job.Record, i int) []job.Record { return slices.Delete(list, i, i+1) }

// pick draws one of list and its index; false: there is none.
func (w *world) pick(list []job.Record) (job.Record, int, bool) {
	if len(list) == 0 {
		return job.Record{}, 0, false
	}

	i := rapid.IntRange(0, len(list)-1).Draw(w.t, "which")

	return list[i], i, true
}

func (w *world) begin() {
	s := w.spools[rapid.IntRange(0, 1).Draw(w.t, "spool")]
	rec := s.begin(w.outer)
	w.jobs[rec.ID] = s
	w.open = append(w.open, rec)
}

// end ends a job. While its spool is closed nobody is told.
func (w *world) end(rec job.Record) {
	s := w.jobs[rec.ID]
	rec = s.finish(w.outer, rec)
	w.ended = append(w.ended, rec)

	if !s.feed.closed {
		s.feed.Ended(rec)
	}
}

// bounce closes a spool, or brings it back as recovery does: what is not true yet
// is finished first.
func (w *world) bounce(s *spool) {
	if !s.feed.closed {
		s.feed.Close()

		return
	}

	w.reopen(s)
}

func (w *world) reopen(s *spool) {
	for i := 0; i < len(w.held); {
		if rec := w.held[i]; w.jobs[rec.ID] == s {
			w.held = drop(w.held, i)
			w.ended = append(w.ended, s.finish(w.outer, rec))
		} else {
			i++
		}
	}

	s.feed = w.hub.Feed(s.name, s.journal)
}

// restart is a new daemon over the same journals.
func (w *world) restart() {
	for _, s := range w.spools {
		s.feed.Close()
	}

	w.hub = New(w.options())

	for _, s := range w.spools {
		w.reopen(s)
	}

	for _, c := range w.clients {
		c.sub = nil
		w.connect(c)
	}
}

// step does one thing.
func (w *world) step() {
	switch rapid.IntRange(0, 10).Draw(w.t, "step") {
	case 0, 1:
		w.begin()
	case 2, 3:
		if rec, i, ok := w.pick(w.open); ok {
			w.open = drop(w.open, i)
			w.end(rec)
		}
	case 4: // the disk refuses to move its file
		if rec, i, ok := w.pick(w.open); ok && !w.jobs[rec.ID].feed.closed {
			w.open = drop(w.open, i)
			s := w.jobs[rec.ID]
			rec = s.finish(w.outer, rec)
			s.feed.Withhold([]job.ID{rec.ID})
			w.held = append(w.held, rec)
		}
	case 5: // and now it does not
		if rec, i, ok := w.pick(w.held); ok && !w.jobs[rec.ID].feed.closed {
			w.held = drop(w.held, i)
			w.end(rec)
		}
	case 6: // a retry
		if rec, i, ok := w.pick(w.ended); ok {
			w.ended = drop(w.ended, i)
			rec.State = job.Deferred
			_ = w.jobs[rec.ID].journal.Commit(rec)
			w.open = append(w.open, rec)
			w.jobs[rec.ID].feed.Changed(rec, nil)
		}
	case 7:
		w.bounce(w.spools[rapid.IntRange(0, 1).Draw(w.t, "spool")])
	case 8:
		if rapid.IntRange(0, 3).Draw(w.t, "restart") == 0 {
			w.restart()
		}
	case 9:
		w.connect(w.clients[rapid.IntRange(0, 2).Draw(w.t, "client")])
	case 10:
		w.read(w.clients[rapid.IntRange(0, 2).Draw(w.t, "client")], rapid.IntRange(1, 5).Draw(w.t, "events"))
	}
}

// settle opens all, ends all and lets all clients hear all.
func (w *world) settle() {
	for _, s := range w.spools {
		if s.feed.closed {
			w.reopen(s)
		}
	}

	for _, rec := range w.held {
		w.end(rec)
	}

	for _, rec := range w.open {
		w.end(rec)
	}

	for _, c := range w.clients {
		w.connect(c)
		w.read(c, 1<<20)
	}
}

// TestNothingMissedNothingTwice: whatever happens to spools, daemon and
// connection, a client that comes back with its last cursor hears the last end of
// each job once, in order.
func TestNothingMissedNothingTwice(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(rt *rapid.T) {
		w := &world{t: rt, outer: t, jobs: map[job.ID]*spool{}}
		w.hub = New(w.options())
		w.spools = []*spool{openSpool(w.hub, "a", newBook()), openSpool(w.hub, "b", newBook())}

		for range 4 {
			w.begin()
		}

		var some []job.ID
		for _, rec := range w.open {
			some = append(some, rec.ID)
		}

		for _, watch := range []wire.Watch{{Spool: "a"}, {All: true}, {Watch: some}} {
			c := &wanderer{watch: watch}
			w.connect(c)

			b, err := c.sub.fetch(true) // it has read up to ready
			if err != nil {
				rt.Fatal(err)
			}

			c.cursor = b.cursor
			w.clients = append(w.clients, c)
		}

		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			w.step()
		}

		w.settle()

		for _, c := range w.clients {
			w.check(c)
		}
	})
}

// check demands of one client what is promised.
func (w *world) check(c *wanderer) {
	heard, last := map[told]bool{}, map[string]int64{}
	once := map[job.ID]bool{}

	for _, e := range c.heard {
		if heard[e] {
			w.t.Fatalf("%+v hears of %v twice", c.watch, e)
		}

		heard[e], once[e.id] = true, true

		at, err := wire.ParseCursor(e.cursor)
		if err != nil || len(at) != 1 || at[0].Number <= last[e.spool] {
			w.t.Fatalf("%+v hears of %v after %d, %v", c.watch, at, last[e.spool], err)
		}

		last[e.spool] = at[0].Number
	}

	for _, rec := range w.ended {
		s := w.jobs[rec.ID]

		switch {
		case len(c.watch.Watch) > 0: // one end of each is enough
			if slices.Contains(c.watch.Watch, rec.ID) && !once[rec.ID] {
				w.t.Fatalf("%+v does not hear of %s", c.watch, rec.ID)
			}
		case c.watch.All || c.watch.Spool == s.name:
			if !heard[told{s.name, rec.ID, s.feed.cursor(rec.Cursor)}] {
				w.t.Fatalf("%+v does not hear of %s with %d", c.watch, rec.ID, rec.Cursor)
			}
		}
	}
}
