// Package journal is the record of all jobs of one spool.
//
// So far it lives in memory: what it knows is gone when the daemon ends, and
// the folders alone tell the next one what there is to do. A durable journal
// takes its place behind the same methods.
package journal

import (
	"container/heap"
	"sync"
	"time"

	"importerd/internal/job"
)

// Memory keeps the jobs of one spool that have not ended. Its methods may be
// called from several goroutines.
type Memory struct {
	mu       sync.Mutex
	open     map[job.ID]job.Record // guarded by mu; jobs that have not ended
	names    map[string]int        // guarded by mu; how many jobs in open have that name as dropped
	deferred dueHeap               // guarded by mu; may hold stale entries, see Due
	waiting  int                   // guarded by mu; jobs in open that are deferred
}

// NewMemory returns an empty journal.
func NewMemory() *Memory {
	return &Memory{open: map[job.ID]job.Record{}, names: map[string]int{}}
}

// Note records the present state of jobs.
func (m *Memory) Note(recs ...job.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()

	for _, rec := range recs {
		m.put(rec)
	}

	return nil
}

// Commit is Note: nothing here outlives the process.
func (m *Memory) Commit(recs ...job.Record) error { return m.Note(recs...) }

// UnderWay says whether a job of this name has not ended.
func (m *Memory) UnderWay(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.names[name] > 0
}

// Due returns up to n deferred jobs that are due at now, the longest due
// first, and when the next one is.
func (m *Memory) Due(now time.Time, n int) ([]job.Record, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	var due []job.Record

	var taken []dueEntry

	for len(m.deferred) > 0 && len(due) < n && !m.deferred[0].at.After(now) {
		entry := heap.Pop(&m.deferred).(dueEntry) //nolint:forcetypeassert // the heap holds nothing else
		if rec, ok := m.current(entry); ok {
			due = append(due, rec)
			taken = append(taken, entry)
		}
	}

	next := m.next()

	for _, entry := range taken { // they stay until their state changes
		heap.Push(&m.deferred, entry)
	}

	return due, next, nil
}

// Deferred says how many jobs wait in deferred/.
func (m *Memory) Deferred() int {
	m.mu.Lock()
	defer m.mu.Unlock()

	return m.waiting
}

// put stores rec, or forgets it when it has ended.
func (m *Memory) put(rec job.Record) {
	before, known := m.open[rec.ID]
	if known && before.State == job.Deferred {
		m.waiting--
	}

	if rec.State.Ended() {
		m.forget(before)

		return
	}

	m.open[rec.ID] = rec
	if !known {
		m.names[rec.Name]++
	}

	if rec.State == job.Deferred {
		m.waiting++
		heap.Push(&m.deferred, dueEntry{at: rec.DueAt, id: rec.ID})
	}
}

// forget drops a job that has ended; the zero Record is nobody's.
func (m *Memory) forget(rec job.Record) {
	if rec.ID.IsZero() {
		return
	}

	delete(m.open, rec.ID)

	if m.names[rec.Name]--; m.names[rec.Name] == 0 {
		delete(m.names, rec.Name)
	}
}

// next returns when the earliest deferred job is due; zero: there is none.
func (m *Memory) next() time.Time {
	for len(m.deferred) > 0 {
		if _, ok := m.current(m.deferred[0]); ok {
			return m.deferred[0].at
		}

		heap.Pop(&m.deferred)
	}

	return time.Time{}
}

// current returns the job of an entry unless the entry is stale: the job has
// moved on, or was deferred anew.
func (m *Memory) current(entry dueEntry) (job.Record, bool) {
	rec, ok := m.open[entry.id]

	return rec, ok && rec.State == job.Deferred && rec.DueAt.Equal(entry.at)
}

// dueEntry is one deferred job in the heap.
type dueEntry struct {
	at time.Time
	id job.ID
}

// dueHeap is a heap of deferred jobs, the earliest first.
type dueHeap []dueEntry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is for package heap.
func (h *dueHeap) Push(x any) { *h = append(*h, x.(dueEntry)) } //nolint:forcetypeassert // as in Due

// Pop is for package heap.
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]

	return last
}
