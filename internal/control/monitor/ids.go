package monitor

import (
	"maps"
	"slices"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// ids is the subscription of one who wants the ends of some jobs.
type ids struct {
	hub   *Hub
	from  resume
	at    map[string]wire.Position // by spool: where the client stands
	seen  map[string]*Feed         // by spool: the one whose journal was asked last
	homes map[job.ID]*Feed         // where each job was found whose end is still to be told; nil: nowhere yet
	queue []message                // still to be told, before what is in the inbox

	// Guarded by the hub's mutex.
	box
	inbox []*entry // ends that are still to be told, in order
	moved bool     // a spool has come (back)
}

// newIDs returns a subscription to jobs.
func newIDs(h *Hub, wanted []job.ID, from resume) *ids {
	s := &ids{
		hub: h, from: from, at: map[string]wire.Position{}, seen: map[string]*Feed{},
		homes: map[job.ID]*Feed{}, box: newBox(), moved: true,
	}

	for _, p := range from.cursor {
		s.at[p.Spool] = p
	}

	for _, id := range wanted {
		s.homes[id] = nil
	}

	h.mu.Lock()
	defer h.mu.Unlock()

	h.await(s, wanted...)

	return s
}

// close makes the hub forget the subscription.
func (s *ids) close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()

	delete(s.hub.watchers, s)

	for id := range s.homes {
		s.hub.release(s, id)
	}
}

func (s *ids) opened(*Feed) {
	s.moved = true
	s.poke()
}

func (s *ids) left() { s.opened(nil) }

// ended puts an end into the inbox: one for each job at most, so that the inbox is
// bounded however slow the client is.
func (s *ids) ended(e *entry, _ *job.Record) {
	s.inbox = append(s.inbox, e)
	s.forget(e.id)
	s.hub.release(s, e.id)
	s.poke()
}

func (s *ids) changed(e *entry) { s.change(e) }

// fetch returns what is to be told now.
func (s *ids) fetch(changes bool) (batch, error) {
	var b batch

	if len(s.queue) == 0 {
		reset, err := s.lookUp()
		if err != nil {
			return b, err
		}

		b.reset = reset
	}

	n := min(batchSize, len(s.queue))
	b.messages, s.queue = s.queue[:n:n], s.queue[n:]
	b.more = len(s.queue) > 0

	if !b.more {
		s.unpack(&b, changes)
	}

	b.cursor = s.cursor()
	b.over = !b.more && len(s.homes) == 0

	return b, nil
}

// unpack adds what is in the inbox and, if they are wanted, changes.
func (s *ids) unpack(b *batch, changes bool) {
	var news []change

	s.hub.mu.Lock()

	if b.more = s.moved; b.more { // what was told before what is in the inbox is not known yet
		s.hub.mu.Unlock()

		return
	}

	ends := s.inbox
	s.inbox = nil

	if changes {
		news = s.empty()
	}

	b.held = len(s.changes) > 0

	s.hub.mu.Unlock()

	for _, e := range ends {
		if _, wanted := s.homes[e.id]; !wanted {
			continue // it was found in the journal as well
		}

		delete(s.homes, e.id)
		s.pass(e)

		b.messages = append(b.messages, jobMessage(wire.KindEnded, e, s.cursor()))
	}

	cursor := s.cursor()
	for _, c := range news {
		b.messages = append(b.messages, jobMessage(wire.KindChanged, c.entry, cursor))
	}
}

// pass moves the client's place behind an end.
func (s *ids) pass(e *entry) {
	at, known := s.at[e.feed.spool]
	if !known {
		at = wire.Position{Spool: e.feed.spool, Journal: e.feed.id}
	}

	if at.Journal == e.feed.id {
		at.Number = max(at.Number, e.cursor)
		s.at[e.feed.spool] = at
	}
}

// cursor returns where the client stands.
func (s *ids) cursor() string {
	c := make(wire.Cursor, 0, len(s.at))

	for _, name := range slices.Sorted(maps.Keys(s.at)) {
		c = append(c, s.at[name])
	}

	return c.String()
}
