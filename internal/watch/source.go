package watch

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// eventsMax is how many events are kept for the loop beside the kernel's own
// queue, so that reading goes on while the loop looks at files.
const eventsMax = 4096

// source is where events come from.
type source interface {
	Events() <-chan fsnotify.Event // closed by the source when it ends
	Errors() <-chan error          // as Events; must always be read, or Events stops
	Add(path string) error
	Watching() bool // whether what was added still exists, as far as the kernel told
	Close() error   // ends the source; nothing comes any more
}

// fsnotifySource is the kernel's inotify.
type fsnotifySource struct{ w *fsnotify.Watcher }

func newFsnotify() (source, error) {
	w, err := fsnotify.NewBufferedWatcher(eventsMax)
	if err != nil {
		return nil, fmt.Errorf("start inotify: %w", err)
	}

	return fsnotifySource{w: w}, nil
}

// Events is as the interface says.
func (s fsnotifySource) Events() <-chan fsnotify.Event { return s.w.Events }

// Errors is as the interface says.
func (s fsnotifySource) Errors() <-chan error { return s.w.Errors }

// Watching is as the interface says. An unmount is told in no other way.
func (s fsnotifySource) Watching() bool { return len(s.w.WatchList()) > 0 }

// Add is as the interface says.
func (s fsnotifySource) Add(path string) error {
	if err := s.w.Add(path); err != nil {
		return fmt.Errorf("watch %q: %w", path, err)
	}

	return nil
}

// Close is as the interface says.
func (s fsnotifySource) Close() error {
	if err := s.w.Close(); err != nil {
		return fmt.Errorf("end inotify: %w", err)
	}

	return nil
}

// noEvents says for people why there are no events: inotify's errors mean
// something else than their names.
func noEvents(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "no inotify: sweeps only (raise fs.inotify.max_user_instances or the limit of open files)"
	case errors.Is(err, syscall.ENOSPC):
		return "no inotify: sweeps only (raise fs.inotify.max_user_watches)"
	}

	return "no inotify: sweeps only: " + err.Error()
}
