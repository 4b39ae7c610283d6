package watch

import (
	"sync"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"
)

// fakeSource gives the events that a test sends. It can be made again after it
// was closed, as often as it takes.
type fakeSource struct {
	mu      sync.Mutex
	refused error // why it cannot be made now; nil: it can
	deaf    bool  // what was added has vanished
	path    string

	made   atomic.Int64
	closed atomic.Int64

	events chan fsnotify.Event
	errs   chan error
}

func newFake() *fakeSource {
	return &fakeSource{events: make(chan fsnotify.Event), errs: make(chan error)}
}

func (f *fakeSource) make() (source, error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.refused != nil {
		return nil, f.refused
	}

	f.made.Add(1)

	return f, nil
}

func (f *fakeSource) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()

	change()
}

func (f *fakeSource) Events() <-chan fsnotify.Event {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.events
}

func (f *fakeSource) Errors() <-chan error { return f.errs }

func (f *fakeSource) Add(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.path, f.deaf = path, false

	return nil
}

func (f *fakeSource) Watching() bool {
	f.mu.Lock()
	defer f.mu.Unlock()

	return !f.deaf
}

func (f *fakeSource) Close() error {
	f.closed.Add(1)

	return nil
}

// tell sends an event about a name in the inbox.
func (f *fakeSource) tell(op fsnotify.Op, name string) {
	f.mu.Lock()
	path := f.path
	f.mu.Unlock()

	f.events <- fsnotify.Event{Name: path + "/" + name, Op: op}
}
