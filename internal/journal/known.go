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

// slot is what is kept in memory of a job.
type slot struct {
	seq   int64
	name  uint64 // hash of the name as dropped
	state job.State
	wish  job.Wish
	open  bool
	waits bool // deferred, and its file lies in deferred/

	cursor int64 // as recorded, as far as known; 0: none, or not known

	trigger bool
}

// shown is as of a job.Record.
func (s slot) shown() job.State {
	return (&job.Record{State: s.state, Wish: s.wish}).Shown()
}

// triggers says whether the job is a trigger that keeps others out.
func (s slot) triggers() bool { return s.trigger && s.open }

// known is what must be answered without the database. Only who writes changes
// it; what is on its way lies in a stage.
type known struct {
	seed maphash.Seed

	mu     sync.RWMutex
	slots  map[job.ID]slot   // guarded by mu; the open jobs
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
}

func newKnown() *known {
	return &known{
		seed: maphash.MakeSeed(), slots: map[job.ID]slot{}, names: map[uint64]int32{}, counts: map[job.State]int{}, next: 1,
	}
}

// slotOf returns what is to be kept of rec, but for its Wish: that is wish.
func (k *known) slotOf(seq int64, rec *job.Record, wish job.Wish) slot {
	return slot{
		wish: wish, trigger: rec.Origin == job.Triggered,
		seq: seq, name: maphash.String(k.seed, rec.Name), state: rec.State, open: isOpen(rec),
		waits: rec.State == job.Deferred && rec.Moving == nil,
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

// change is what becomes of a job in a transaction; a slot without a state is
// none.
type change struct {
	old, now slot
	due      time.Time // of now
}

// stage holds what a transaction changes until it is written.
type stage struct {
	known     *known
	changes   map[job.ID]change
	next      int64
	low, high job.ID
	cut       bool // times of those that wait have changed
	cursor    int64
	triggers  []job.ID
	paused    bool
}

func newStage(k *known) *stage {
	return &stage{
		known: k, changes: map[job.ID]change{}, next: k.next, low: k.low, high: k.high,
		triggers: k.triggers, paused: k.paused,
	}
}

// find returns a job's slot as far as it is in memory. sure: if there is none,
// the journal has no such job.
func (s *stage) find(id job.ID) (found slot, sure bool) {
	if c, ok := s.changes[id]; ok {
		return c.now, true
	}

	if found, ok := s.known.slots[id]; ok {
		return found, true
	}

	return slot{}, less(s.low, id) && less(id, s.high)
}

// set stages that a job's slot, old so far, is now.
func (s *stage) set(id job.ID, old, now slot, due time.Time) {
	if old.triggers() != now.triggers() {
		s.setTrigger(id, now.triggers())
	}

	if c, ok := s.changes[id]; ok {
		old = c.old
	}

	s.changes[id] = change{old: old, now: now, due: due}

	if less(s.low, id) && less(id, s.high) {
		s.low = id
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

	for _, c := range s.changes {
		if c.old.state == c.now.state {
			continue
		}

		if c.old.state.Ended() {
			delta[c.old.state]--
		}

		if c.now.state.Ended() {
			delta[c.now.state]++
		}
	}

	return delta
}

// apply makes what is written known.
func (k *known) apply(s *stage) {
	k.mu.Lock()
	defer k.mu.Unlock()

	k.next, k.low, k.triggers, k.paused = s.next, s.low, s.triggers, s.paused
	k.raise(s.cursor)

	for id, c := range s.changes {
		k.swap(id, c)
	}

	if s.cut {
		k.dueKnown = false
		k.dueGen++
	}
}

// swap takes up one change; mu is held.
func (k *known) swap(id job.ID, c change) {
	if c.old.state != "" {
		k.counts[c.old.shown()]--
	}

	if c.now.state != "" {
		k.counts[c.now.shown()]++
	}

	if c.old.open {
		delete(k.slots, id)

		if k.names[c.old.name]--; k.names[c.old.name] == 0 {
			delete(k.names, c.old.name)
		}
	}

	if c.now.open {
		k.slots[id] = c.now
		k.names[c.now.name]++
	}

	k.swapDue(c)
}

// swapDue keeps dueAt as long as that is cheap; mu is held.
func (k *known) swapDue(c change) {
	if c.old.waits {
		k.waits--
		k.dueKnown = false
	}

	if c.now.waits {
		k.waits++

		if k.waits == 1 {
			k.dueAt, k.dueKnown = c.due, true
		} else if c.due.Before(k.dueAt) {
			k.dueAt = c.due
		}
	}

	if c.old.waits || c.now.waits {
		k.dueGen++
	}
}

// less orders ids as their texts.
func less(a, b job.ID) bool { return bytes.Compare(a[:], b[:]) < 0 }
