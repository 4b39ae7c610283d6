package watch

import (
	"container/heap"
	"slices"

	"importerd/internal/job"
)

// choice keeps the first bufferMax of many files in some order.
type choice struct {
	files   []job.File // a heap, the last one on top
	compare func(a, b job.File) int
	byAge   bool // the order needs the file's times
}

func newChoice(o Order) *choice {
	return &choice{compare: comparison(o), byAge: o == OrderAge}
}

func (c *choice) full() bool { return len(c.files) >= bufferMax }

// beats says whether f comes before one of the files kept.
func (c *choice) beats(f job.File) bool { return c.compare(f, c.files[0]) < 0 }

// add keeps f; the file that finds no room any more is returned, with true.
func (c *choice) add(f job.File) (job.File, bool) {
	if !c.full() {
		heap.Push(c, f)

		return job.File{}, false
	}

	if !c.beats(f) {
		return f, true
	}

	out := c.files[0]
	c.files[0] = f
	heap.Fix(c, 0)

	return out, true
}

// sorted returns the files in order and ends the choice.
func (c *choice) sorted() []job.File {
	slices.SortFunc(c.files, c.compare)

	return c.files
}

// Len, Less, Swap, Push and Pop are what package heap asks for.
func (c *choice) Len() int           { return len(c.files) }
func (c *choice) Less(i, j int) bool { return c.compare(c.files[i], c.files[j]) > 0 }
func (c *choice) Swap(i, j int)      { c.files[i], c.files[j] = c.files[j], c.files[i] }

// Push adds a job.File.
func (c *choice) Push(x any) {
	f, ok := x.(job.File)
	if !ok {
		panic("bug: only files are chosen")
	}

	c.files = append(c.files, f)
}

// Pop takes off the last.
func (c *choice) Pop() any {
	last := len(c.files) - 1
	f := c.files[last]
	c.files = c.files[:last]

	return f
}
