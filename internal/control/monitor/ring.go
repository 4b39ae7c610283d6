package monitor

import "sort"

// ringSize is how many of the last ends of a spool are kept in memory.
const ringSize = 2048

// ring holds the last ends of a spool, in the order of their numbers.
type ring struct {
	entries []*entry // a circle once there are ringSize of them
	first   int      // index of the oldest
	floor   int64    // all ends with a higher number that were told are here
}

// push adds the youngest end and drops the oldest one if there is no room.
func (r *ring) push(e *entry) {
	if len(r.entries) < ringSize {
		r.entries = append(r.entries, e)

		return
	}

	r.floor = r.entries[r.first].cursor
	r.entries[r.first] = e
	r.first = (r.first + 1) % ringSize
}

// after returns up to n ends with numbers above number, the oldest first;
// false: there were others that are not here any more.
func (r *ring) after(number int64, n int) ([]*entry, bool) {
	if number < r.floor {
		return nil, false
	}

	size := len(r.entries)
	at := func(i int) *entry { return r.entries[(r.first+i)%size] }
	begin := sort.Search(size, func(i int) bool { return at(i).cursor > number })
	found := make([]*entry, 0, min(n, size-begin))

	for i := begin; i < size && len(found) < n; i++ {
		found = append(found, at(i))
	}

	return found, true
}
