package monitor

import (
	"errors"
	"sync"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// Feed is one session of a spool: what its pool tells, and the journal that it
// writes. Its methods never wait for a client.
type Feed struct {
	hub     *Hub
	spool   string
	journal Journal
	id      string // of the journal
	base    int64  // the last number when it was opened

	users sync.WaitGroup // reads of the journal under way

	// Guarded by the hub's mutex.
	closed   bool
	told     int64 // the highest number that was told
	ring     ring
	withheld map[job.ID]struct{}
	live     map[job.ID]*entry // jobs whose attempts are under way
}

// errClosed says that the session of a spool is over: its journal must not be
// read any more.
var errClosed = errors.New("the spool is not open")

// Feed begins to tell of a spool. All ends that its journal holds now count as
// told, but for those that are withheld before anybody asks. One spool has one
// feed at a time: the one before must be closed.
func (h *Hub) Feed(spool string, j Journal) *Feed {
	f := &Feed{
		hub: h, spool: spool, journal: j, id: j.ID(), base: j.LastCursor(),
		withheld: map[job.ID]struct{}{}, live: map[job.ID]*entry{},
	}
	f.told, f.ring.floor = f.base, f.base

	h.mu.Lock()
	defer h.mu.Unlock()

	if h.feeds[spool] != nil {
		panic("bug: spool " + spool + " has a feed already")
	}

	h.feeds[spool], h.spools[spool] = f, true

	for w := range h.watchers {
		w.opened(f)
	}

	return f
}

// Close ends the feed. When it returns the journal is not used any more. Clients
// stay: the spool may come back.
func (f *Feed) Close() {
	h := f.hub

	h.mu.Lock()

	if !f.closed {
		f.closed, h.spools[f.spool] = true, false
		delete(h.feeds, f.spool)
	}

	h.mu.Unlock()

	f.users.Wait()
}

// Ended tells the end of a job, which must be true after a power cut. Ends come
// in ascending order of their Cursor; one may come again, with the same one.
func (f *Feed) Ended(rec job.Record) {
	h, e := f.hub, endOf(f, &rec)

	h.mu.Lock()
	defer h.mu.Unlock()

	delete(f.live, rec.ID)
	delete(f.withheld, rec.ID)

	if rec.Cursor > f.told { // else it was told before, or stands in the journal as told
		f.told = rec.Cursor
		f.ring.push(e)
	}

	for s := range h.streams {
		if s.wants(f.spool) {
			s.ended(e, &e.rec)
		}
	}

	for w := range h.byID[rec.ID] {
		whole := rec // the entry has not all of it, and few wait
		w.ended(e, &whole)
	}
}

// Withhold says that jobs are in the journal with an end that is not true yet,
// and with a Cursor that is or may soon be below one that is told. Until Ended
// comes for them, with a new Cursor, they count as not ended.
func (f *Feed) Withhold(ids []job.ID) {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()

	for _, id := range ids {
		f.withheld[id] = struct{}{}
	}
}

// Changed tells that a job that has not ended is in a new state or has made
// progress; nil: nothing is known of that. Clients that are slow may miss it.
func (f *Feed) Changed(rec job.Record, progress *float64) {
	h, e := f.hub, stateOf(f, &rec, progress)

	h.mu.Lock()
	defer h.mu.Unlock()

	switch rec.State {
	case job.Processing, job.Committing:
		f.live[rec.ID] = e
	case job.Deferred, job.Paused, job.Done, job.Failed, job.Terminated:
		delete(f.live, rec.ID)
	}

	if rec.State.Ended() {
		return // Ended tells that
	}

	for s := range h.streams {
		if s.wants(f.spool) {
			s.changed(e)
		}
	}

	for w := range h.byID[rec.ID] {
		w.changed(e)
	}
}

// CursorOf returns the cursor of a job's end for those who ask for the job; empty:
// it has not ended, or its spool is not open.
func (h *Hub) CursorOf(rec job.Record) string {
	h.mu.Lock()
	defer h.mu.Unlock()

	f := h.feeds[rec.Spool]
	if f == nil || rec.Cursor == 0 || !f.view().isTold(&rec) {
		return ""
	}

	return f.cursor(rec.Cursor)
}

// cursor returns the cursor of one who has had the ends up to number.
func (f *Feed) cursor(number int64) string {
	return wire.Cursor{{Spool: f.spool, Journal: f.id, Number: number}}.String()
}

// read reads the journal, unless the feed is closed, beside few others.
func (f *Feed) read(do func() error) error {
	h := f.hub

	h.reads <- struct{}{}
	defer func() { <-h.reads }()

	h.mu.Lock()

	closed := f.closed
	if !closed {
		f.users.Add(1)
	}

	h.mu.Unlock()

	if closed {
		return errClosed
	}

	defer f.users.Done()

	return do()
}
