package monitor

import (
	"errors"
	"maps"
	"slices"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// stream is the subscription of one who wants all of one spool or of all.
type stream struct {
	hub   *Hub
	spool string // empty: all

	places map[string]*place // by spool

	// Guarded by the hub's mutex.
	box
	joined map[string]wire.Position // where one who knows nothing of a spool begins
	had    map[string]int64         // by spool: the number of the last end that was sent
}

// place is how far the client is in one spool.
type place struct {
	wire.Position

	feed  *Feed // the one that Position was compared with; nil: none yet
	whole bool  // the client watched before the journal was known: it wants all that is in it
}

// newStream returns a subscription to a spool, or to all; it begins now, or where
// the client says that it is.
func newStream(h *Hub, spool string, from resume) *stream {
	s := &stream{
		hub: h, spool: spool, box: newBox(), joined: map[string]wire.Position{}, places: map[string]*place{},
		had: map[string]int64{},
	}

	h.mu.Lock()
	defer h.mu.Unlock()

	h.watchers[s], h.streams[s] = struct{}{}, struct{}{}

	for name := range h.spools {
		if s.wants(name) {
			at, known := from.at(name)
			s.places[name] = &place{Position: at, whole: known && at.Journal == ""}
		}
	}

	for _, f := range h.feeds {
		s.join(f, f.told)
	}

	return s
}

// close makes the hub forget the subscription.
func (s *stream) close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()

	delete(s.hub.watchers, s)
	delete(s.hub.streams, s)
}

// wants says whether the client watches a spool.
func (s *stream) wants(spool string) bool { return s.spool == "" || s.spool == spool }

func (s *stream) opened(f *Feed) { s.join(f, f.base) }

func (s *stream) left() {}

func (s *stream) ended(e *entry, _ *job.Record) {
	s.forget(e.id)
	s.poke()
}

func (s *stream) changed(e *entry) { s.change(e) }

// join notes where one begins who has not read a journal before. The mutex is held.
func (s *stream) join(f *Feed, number int64) {
	if !s.wants(f.spool) {
		return
	}

	if s.joined[f.spool].Journal != f.id {
		s.joined[f.spool] = wire.Position{Spool: f.spool, Journal: f.id, Number: number}
	}

	s.poke()
}

// haul is what is to be told of one spool at a time.
type haul struct {
	*place

	entries []*entry
	upTo    int64 // where the client is behind them
	told    int64
	page    *view // the entries are still to be read from the journal; nil: they are there
}

// fetch returns what is to be told now.
func (s *stream) fetch(changes bool) (batch, error) {
	var (
		b    batch
		news []change
	)

	s.hub.mu.Lock()

	resets := s.follow()
	hauls := s.haul()

	for _, h := range hauls {
		b.more = b.more || h.page != nil || h.upTo < h.told
	}

	if changes && !b.more {
		news = s.empty()
	}

	b.held = len(s.changes) > 0

	s.hub.mu.Unlock()

	b.reset = len(resets) > 0
	for _, spool := range resets {
		b.messages = append(b.messages, plainMessage(wire.Event{Kind: wire.KindReset, Spool: spool, Cursor: s.cursor()}))
	}

	for _, h := range hauls {
		if err := s.tell(&b, h); err != nil {
			return b, err
		}
	}

	b.cursor = s.cursor()
	for _, c := range news {
		b.messages = append(b.messages, jobMessage(wire.KindChanged, c.entry, b.cursor))
	}

	return b, nil
}

// follow finds the client's place in spools that have come (back), and returns
// those whose journal is another one now. The mutex is held.
func (s *stream) follow() []string {
	var resets []string

	for name, f := range s.hub.feeds {
		if !s.wants(name) || s.places[name] != nil && s.places[name].feed == f {
			continue
		}

		p := s.places[name]
		if p == nil {
			p = &place{}
			s.places[name] = p
		}

		if p.enter(f, s.joined[name]) {
			resets = append(resets, name)
		}

		for _, l := range f.live {
			s.change(l)
		}
	}

	slices.Sort(resets)

	return resets
}

// enter compares the place with the journal of a feed; joined is where one begins
// who knows nothing of it. It says whether what the client had is gone.
func (p *place) enter(f *Feed, joined wire.Position) bool {
	first := p.feed == nil
	p.feed = f

	switch {
	case p.Journal == "" && p.whole:
		p.Position = wire.Position{Spool: f.spool, Journal: f.id}
	case p.Journal == "":
		p.Position = joined
	case p.Journal != f.id, first && p.Number > f.journal.LastCursor():
		p.Position = joined

		return true
	}

	return false
}

// haul returns what was told and the client has not had. The mutex is held.
func (s *stream) haul() []haul {
	var hauls []haul

	for _, name := range slices.Sorted(maps.Keys(s.places)) {
		p, f := s.places[name], s.hub.feeds[name]
		s.had[name] = p.Number

		if f == nil || p.Number >= f.told {
			continue
		}

		h := haul{place: p, told: f.told, upTo: f.told}

		found, here := f.ring.after(p.Number, batchSize)
		if !here {
			v := f.view()
			h.page = &v
		}

		if h.entries = found; len(found) == batchSize {
			h.upTo = found[batchSize-1].cursor
		}

		hauls = append(hauls, h)
	}

	return hauls
}

// tell adds a haul to the batch and moves the client's place behind it.
func (s *stream) tell(b *batch, h haul) error {
	if h.page != nil {
		var err error

		h.entries, h.upTo, err = h.page.page(h.Number, batchSize)
		if errors.Is(err, errClosed) {
			return nil // it may come back
		}

		if err != nil {
			return err
		}
	}

	for _, e := range h.entries {
		h.Number = e.cursor
		b.messages = append(b.messages, jobMessage(wire.KindEnded, e, s.cursor()))
	}

	h.Number = h.upTo

	return nil
}

// cursor returns where the client stands.
func (s *stream) cursor() string {
	c := make(wire.Cursor, 0, len(s.places))

	for _, name := range slices.Sorted(maps.Keys(s.places)) {
		p := s.places[name].Position
		p.Spool = name
		c = append(c, p)
	}

	return c.String()
}
