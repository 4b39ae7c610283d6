package monitor

import (
	"errors"
	"sync"
	"time"

	"importerd/internal/job"

	"github.com/rs/zerolog"
)

const (
	// maxReads is how many clients may read journals at a time: the pool reads
	// there too, and must not have to wait behind all clients that come back.
	maxReads = 2

	// lastGrace is how long clients may take to hear what was told before the end.
	lastGrace = 3 * time.Second
	// shutGrace bounds how long Shut waits for all to be gone.
	shutGrace = 8 * time.Second
)

// Options are what a Hub may be told. What is zero has the value in brackets.
type Options struct {
	// Spools are all spools that there are at the begin; see SetSpools. An id that is in no journal counts as
	// unknown only while all of them have a feed, and no other spool can be asked
	// for. [those that had a feed: an id may be called unknown that is of one that is not open yet]
	Spools []string

	MaxClients int           // at a time [256]
	WriteTime  time.Duration // how long a client may take to accept a message [30 s]
	Lag        time.Duration // how long a client may be behind once it was not [1 min]
	Heartbeat  time.Duration // how often it is asked whether the other side lives [25 s]
	Log        zerolog.Logger
}

// Hub knows what becomes of the jobs of all spools and tells its clients. It runs
// nothing by itself: each client lives in the goroutine of its request. All its
// methods may be called from several goroutines.
type Hub struct {
	opts  Options
	reads chan struct{} // whoever reads a journal sends, and receives when done; holds maxReads
	down  chan struct{} // closed by Shut

	clients sync.WaitGroup

	mu       sync.Mutex // guards what follows, and the same of feeds and boxes
	feeds    map[string]*Feed
	spools   map[string]bool // all that there are; false: it has no feed
	watchers map[watcher]struct{}
	streams  map[*stream]struct{}
	byID     map[job.ID]map[watcher]struct{} // who waits for the end of single jobs
	count    int                             // of clients
	reason   string                          // of Shut; empty: not shut
}

// watcher is one who wants to be told. Its methods are called with the hub's
// mutex held, and only note.
type watcher interface {
	// opened says that a spool has a feed (again).
	opened(f *Feed)
	// left says that there is a spool less.
	left()
	// ended says that a job has ended that it watches.
	ended(e *entry, rec *job.Record)
	// changed says how a job is now that it watches.
	changed(e *entry)
}

// New returns a hub without feeds and clients.
func New(o Options) *Hub {
	orDefault(&o.MaxClients, 256)
	orDefault(&o.WriteTime, 30*time.Second)
	orDefault(&o.Lag, time.Minute)
	orDefault(&o.Heartbeat, 25*time.Second)

	h := &Hub{
		opts: o, reads: make(chan struct{}, maxReads), down: make(chan struct{}),
		feeds: map[string]*Feed{}, spools: map[string]bool{},
		watchers: map[watcher]struct{}{}, streams: map[*stream]struct{}{},
		byID: map[job.ID]map[watcher]struct{}{},
	}

	for _, name := range o.Spools {
		h.spools[name] = false
	}

	return h
}

// orDefault sets what is zero.
func orDefault[T int | time.Duration](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}

// Shut ends all connections, each when it has heard what was told so far, with the
// reason in its last event, and returns when they are gone or a few seconds have
// passed. Nobody is let in any more. A second call does nothing.
func (h *Hub) Shut(reason string) {
	h.mu.Lock()
	first := h.reason == ""

	if first {
		h.reason = reason
		close(h.down)
	}
	h.mu.Unlock()

	if !first {
		return
	}

	gone := make(chan struct{}) // closed when all clients are gone; received below

	go func() {
		h.clients.Wait()
		close(gone)
	}()

	timer := time.NewTimer(shutGrace)
	defer timer.Stop()

	select {
	case <-gone:
	case <-timer.C:
		h.opts.Log.Warn().Msg("clients of the monitor did not go")
	}
}

// Live returns how a job is now whose attempt is under way (processing, paused
// with its process frozen, committing), with what its handler reported as its
// progress; false: none is, the journal says it all.
func (h *Hub) Live(id job.ID) (job.Record, *float64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()

	for _, f := range h.feeds {
		if l, ok := f.live[id]; ok {
			return l.rec, l.progress, true
		}
	}

	return job.Record{}, nil, false
}

var (
	errFull = errors.New("too many clients watch already: try again later")
	errShut = job.ErrDraining
)

// enter lets one more client in; leave must be called.
func (h *Hub) enter() error {
	h.mu.Lock()
	defer h.mu.Unlock()

	switch {
	case h.reason != "":
		return errShut
	case h.count >= h.opts.MaxClients:
		return errFull
	}

	h.count++
	h.clients.Add(1)

	return nil
}

// leave is the end of a client.
func (h *Hub) leave() {
	h.mu.Lock()
	h.count--
	h.mu.Unlock()

	h.clients.Done()
}

// await makes w hear of single jobs. The mutex is held.
func (h *Hub) await(w watcher, ids ...job.ID) {
	h.watchers[w] = struct{}{}

	for _, id := range ids {
		if h.byID[id] == nil {
			h.byID[id] = map[watcher]struct{}{}
		}

		h.byID[id][w] = struct{}{}
	}
}

// release makes w hear no more of a job. The mutex is held.
func (h *Hub) release(w watcher, id job.ID) {
	delete(h.byID[id], w)

	if len(h.byID[id]) == 0 {
		delete(h.byID, id)
	}
}

// isShut says whether the end has come.
func (h *Hub) isShut() bool {
	select {
	case <-h.down:
		return true
	default:
		return false
	}
}
