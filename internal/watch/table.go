package watch

import (
	"container/heap"
	"time"
)

const (
	// tableMax is the most files that have a timer each.
	tableMax = 4096

	// openMax of them at most are files that somebody has open: those may stay
	// for days and must not keep out the ones that settle soon.
	openMax = tableMax / 4 * 3
)

// entry is one file that is looked at again by time.
type entry struct {
	sight

	name   string
	reason reason // open, settling, or ready: found whole when the buffer was full
	due    time.Time
	at     int // index in the heap
}

// table holds the files that are busy or settling, the next due first.
type table struct {
	names map[string]*entry
	queue dueHeap
	count [reasons]int
}

func newTable() *table { return &table{names: make(map[string]*entry)} }

func (t *table) get(name string) *entry { return t.names[name] }

func (t *table) len() int { return len(t.queue) }

// room says whether a file with that reason may be added.
func (t *table) room(r reason) bool {
	return t.len() < tableMax && (r != open || t.count[open] < openMax)
}

// first returns the entry that is due first; nil: there is none.
func (t *table) first() *entry {
	if len(t.queue) == 0 {
		return nil
	}

	return t.queue[0]
}

// add puts in a name that is not in it.
func (t *table) add(name string, s sight, r reason, due time.Time) {
	e := &entry{sight: s, name: name, reason: r, due: due}
	t.names[name] = e
	t.count[r]++
	heap.Push(&t.queue, e)
}

// set gives an entry another reason and time.
func (t *table) set(e *entry, r reason, due time.Time) {
	t.count[e.reason]--
	t.count[r]++
	e.reason, e.due = r, due
	heap.Fix(&t.queue, e.at)
}

// hasten makes an entry due at the given time if it would be later.
func (t *table) hasten(e *entry, due time.Time) {
	if due.Before(e.due) {
		t.set(e, e.reason, due)
	}
}

func (t *table) remove(e *entry) {
	t.count[e.reason]--
	delete(t.names, e.name)
	heap.Remove(&t.queue, e.at)
}

// dueHeap is the heap of package heap over the entries' times.
type dueHeap []*entry

// Len, Less, Swap, Push and Pop are what package heap asks for.
func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push adds an *entry.
func (h *dueHeap) Push(x any) {
	e, ok := x.(*entry)
	if !ok {
		panic("bug: only entries go into the table")
	}

	e.at = len(*h)
	*h = append(*h, e)
}

// Pop takes off the last.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]

	return e
}
