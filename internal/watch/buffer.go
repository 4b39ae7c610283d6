package watch

import (
	"cmp"
	"slices"

	"importerd/internal/job"
)

const (
	bufferMax = 4096 // the most files that wait to be taken
	batchMax  = 64   // the most that are taken at once
)

// buffer holds the files that are ready, each name once.
type buffer struct {
	files   []job.File
	names   map[string]struct{}
	compare func(a, b job.File) int // the order; nil: as they come

	batch []job.File // copy of the first files, on offer
	stale bool       // the first files are others now
}

func newBuffer(o Order) *buffer {
	return &buffer{names: make(map[string]struct{}), compare: comparison(o)}
}

// comparison returns how files compare in that order; nil: they do not.
func comparison(o Order) func(a, b job.File) int {
	switch o {
	case OrderAge:
		return func(a, b job.File) int {
			return cmp.Or(a.Ctime.Compare(b.Ctime), cmp.Compare(a.Name, b.Name))
		}
	case OrderName:
		return func(a, b job.File) int { return cmp.Compare(a.Name, b.Name) }
	case OrderNone:
	}

	return nil
}

func (b *buffer) has(name string) bool {
	_, ok := b.names[name]

	return ok
}

func (b *buffer) len() int { return len(b.files) }

// free is how many files find room.
func (b *buffer) free() int { return bufferMax - len(b.files) }

// add puts in a file whose name is not in it; there must be room.
func (b *buffer) add(f job.File) {
	at := len(b.files)
	if b.compare != nil {
		at, _ = slices.BinarySearchFunc(b.files, f, b.compare)
	}

	b.files = slices.Insert(b.files, at, f)
	b.names[f.Name] = struct{}{}
	b.stale = b.stale || at < batchMax
}

// remove forgets a name, if it is in.
func (b *buffer) remove(name string) {
	if !b.has(name) {
		return
	}

	at := slices.IndexFunc(b.files, func(f job.File) bool { return f.Name == name })
	b.files = slices.Delete(b.files, at, at+1)
	delete(b.names, name)
	b.stale = b.stale || at < batchMax
}

// replace puts these files, at most bufferMax and in order, in place of all.
func (b *buffer) replace(files []job.File) {
	clear(b.names)

	for _, f := range files {
		b.names[f.Name] = struct{}{}
	}

	b.files, b.stale = files, true
}

// offer returns the files to be taken next, at most batchMax; none: nil.
func (b *buffer) offer() []job.File {
	if b.stale {
		b.batch = append(b.batch[:0], b.files[:min(batchMax, len(b.files))]...)
		b.stale = false
	}

	return b.batch
}

// taken forgets the files of the last offer, which belong to the taker now.
func (b *buffer) taken() {
	for _, f := range b.batch {
		delete(b.names, f.Name)
	}

	// The array lives on until append moves to another; what it holds is bounded.
	b.files = b.files[len(b.batch):]
	b.batch, b.stale = nil, true
}
