package journal

import (
	"bytes"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"importerd/internal/job"
)

// facts are what is kept in memory of a job.
type facts struct {
	seq    int64
	name   uint64 // hash of the name as dropped
	state  job.State
	wish   job.Wish
	open   bool
	waits  bool      // deferred, and its file lies in deferred/
	due    time.Time // as recorded; zero: at once
	cursor int64     // as recorded; 0: none

	trigger bool
}

// slot is the place of a job in memory. Besides the open jobs it is there for those
// that the transaction on its way brings or takes.
type slot struct {
	facts      // as written
	staged int // of the transaction on its way: 1 + its place there; 0: not in it. Only who writes looks at it
}

// shown is as of a job.Record.
func (f *facts) shown() job.State {
	if f.wish == job.NoWish {
		return f.state
	}

	return (&job.Record{State: f.state, Wish: f.wish}).Shown()
}

// triggers says whether the job is a trigger that keeps others out.
func (f *facts) triggers() bool { return f.trigger && f.open }

// known is what must be answered without the database. Only who writes changes
// it; what is on its way lies in a stage.
type known struct {
	seed maphash.Seed

	mu     sync.RWMutex
	slots  map[job.ID]*slot  // guarded by mu; the open jobs
	names  map[uint64]int32  // guarded by mu; how many open jobs have a name
	counts map[job.State]int // guarded by mu; jobs of each state, as it is shown
	next   int64             // guarded by mu; seq of the next new job
	waits  int               // guarded by mu; slots that wait

	triggers []job.ID // guarded by mu; the open triggers; nobody changes the slice
	paused   bool     // guarded by mu; see Paused

	cursor atomic.Int64 // the last number given to an end

	// Between low and high no id is recorded: one there is new, without asking
	// the database. New ids are higher than all before unless the clock was set
	// back or a caller has chosen one.
	low, high job.ID // guarded by mu

	dueAt    time.Time // guarded by mu; when the first of those that wait is due
	dueKnown bool      // guarded by mu; dueAt is valid; zero: none waits
	dueGen   uint64    // guarded by mu; changes with those that wait

	room []change // of the last transaction, for the next one; only who writes looks at it
}

func newKnown() *known {
	return &known{
		seed: maphash.MakeSeed(), slots: map[job.ID]*slot{}, names: map[uint64]int32{}, counts: map[job.State]int{}, next: 1,
	}
}

// factsOf returns what is to be kept of rec, but for its Wish: that is wish.
func (k *known) factsOf(seq int64, rec *job.Record, wish job.Wish) facts {
	return facts{
		wish: wish, trigger: rec.Origin == job.Triggered, due: rec.DueAt, cursor: rec.Cursor,
		seq: seq, name: maphash.String(k.seed, rec.Name), state: rec.State, open: isOpen(rec),
		waits: waits(rec),
	}
}

// UnderWay says whether a job of this name, as dropped, is open: it has not
// ended, or its file's last move is not confirmed. It costs no look at the
// database. In theory another name can be mistaken for it, one in 2^64; its
// file then waits for a while.
func (j *Journal) UnderWay(name string) bool {
	k := j.known
	hash := maphash.String(k.seed, name)

	k.mu.RLock()
	defer k.mu.RUnlock()

	return k.names[hash] > 0
}

// Counts says how many jobs there are of each state, as it is shown; states
// without any may be missing.
func (j *Journal) Counts() map[job.State]int {
	j.known.mu.RLock()
	defer j.known.mu.RUnlock()

	return maps.Clone(j.known.counts)
}

// Shown says how many jobs are in that state, as it is shown.
func (j *Journal) Shown(state job.State) int {
	j.known.mu.RLock()
	defer j.known.mu.RUnlock()

	return j.known.counts[state]
}

// change is what becomes of a job in a transaction; facts without a state: there is
// no such job.
type change struct {
	id   job.ID
	slot *slot
	now  facts
}

// stage holds what a transaction changes until it is written.
type stage struct {
	known     *known
	changes   []change
	next      int64
	low, high job.ID
	cut       *time.Time // later times of those that are deferred become this one
	cursor    int64
	triggers  []job.ID
	paused    bool
}

// newStage begins with what is known. Only who writes may, one after the other.
func newStage(k *known) *stage {
	return &stage{
		known: k, changes: k.room[:0], next: k.next, low: k.low, high: k.high, triggers: k.triggers, paused: k.paused,
	}
}

// find returns what is in memory of a job, and its slot, if it has one. sure: without
// a slot the journal has no such job.
func (s *stage) find(id job.ID) (found facts, at *slot, sure bool) {
	at = s.known.slots[id]

	switch {
	case at == nil:
		return facts{}, nil, less(s.low, id) && less(id, s.high)
	case at.staged > 0:
		return s.changes[at.staged-1].now, at, true
	}

	found = at.facts
	if s.cut != nil { // its row is cut, too
		found.cutDue(*s.cut)
	}

	return found, at, true
}

// set stages what a job, old so far, is now. at is its slot, as find has returned it.
func (s *stage) set(id job.ID, at *slot, old, now *facts) {
	if old.triggers() != now.triggers() {
		s.setTrigger(id, now.triggers())
	}

	if at == nil {
		at = &slot{facts: *old}
		s.known.place(id, at)
	}

	if at.staged > 0 {
		s.changes[at.staged-1].now = *now
	} else {
		s.changes = append(s.changes, change{id: id, slot: at, now: *now})
		at.staged = len(s.changes)
	}

	if less(s.low, id) && less(id, s.high) {
		s.low = id
	}
}

// cutDue stages that no deferred job is due later than limit.
func (s *stage) cutDue(limit time.Time) {
	s.cut = &limit

	for i := range s.changes {
		s.changes[i].now.cutDue(limit)
	}
}

func (f *facts) cutDue(limit time.Time) {
	if f.state == job.Deferred && f.due.After(limit) {
		f.due = limit
	}
}

// setTrigger takes up that a trigger is open, or is not any more. What is known
// stays as it is until it is written.
func (s *stage) setTrigger(id job.ID, open bool) {
	s.triggers = slices.DeleteFunc(slices.Clone(s.triggers), func(other job.ID) bool { return other == id })

	if open {
		s.triggers = append(s.triggers, id)
	}
}

// ends returns by how much the numbers of jobs in the states that are ends
// change.
func (s *stage) ends() map[job.State]int {
	delta := map[job.State]int{}

	for i := range s.changes {
		was, is := s.changes[i].slot.state, s.changes[i].now.state
		if was == is {
			continue
		}

		if was.Ended() {
			delta[was]--
		}

		if is.Ended() {
			delta[is]++
		}
	}

	return delta
}

// place makes room for a job that has none.
func (k *known) place(id job.ID, at *slot) {
	k.mu.Lock()
	defer k.mu.Unlock()

	k.slots[id] = at
}

// apply makes what is written known.
func (k *known) apply(s *stage) {
	k.mu.Lock()
	defer k.mu.Unlock()

	k.next, k.low, k.triggers, k.paused = s.next, s.low, s.triggers, s.paused
	k.raise(s.cursor)

	if s.cut != nil {
		k.dueKnown = false
		k.dueGen++

		for _, at := range k.slots {
			at.cutDue(*s.cut)
		}
	}

	for i := range s.changes {
		k.swap(&s.changes[i])
	}

	k.forget(s)
}

// undo makes what could not be written as if it had never been.
func (k *known) undo(s *stage) {
	k.mu.Lock()
	defer k.mu.Unlock()

	k.forget(s)
}

// forget ends a transaction: only open jobs keep their slots. mu is held.
func (k *known) forget(s *stage) {
	for i := range s.changes {
		c := &s.changes[i]

		if c.slot.staged = 0; !c.slot.open {
			delete(k.slots, c.id)
		}
	}

	k.room = s.changes
}

// swap takes up one change; mu is held.
func (k *known) swap(c *change) {
	old, now := &c.slot.facts, &c.now

	if was, is := old.shown(), now.shown(); was != is {
		if was != "" {
			k.counts[was]--
		}

		if is != "" {
			k.counts[is]++
		}
	}

	if old.open != now.open || old.name != now.name {
		k.rename(old, now)
	}

	if old.waits || now.waits {
		k.swapDue(old, now)
	}

	*old = *now
}

// rename counts the names of open jobs; mu is held.
func (k *known) rename(old, now *facts) {
	if now.open {
		k.names[now.name]++
	}

	if old.open {
		if k.names[old.name]--; k.names[old.name] == 0 {
			delete(k.names, old.name)
		}
	}
}

// swapDue keeps dueAt as long as that is cheap; mu is held. One of both waits.
func (k *known) swapDue(old, now *facts) {
	k.dueGen++

	if old.waits {
		k.waits--
		k.dueKnown = false
	}

	if !now.waits {
		return
	}

	k.waits++

	if k.waits == 1 {
		k.dueAt, k.dueKnown = now.due, true
	} else if now.due.Before(k.dueAt) {
		k.dueAt = now.due
	}
}

// less orders ids as their texts.
func less(a, b job.ID) bool { return bytes.Compare(a[:], b[:]) < 0 }
