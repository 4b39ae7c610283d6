package watch

// hintsMax is the most names that wait to be looked at.
const hintsMax = 4096

// hint is what the events since the last look said of a name.
type hint struct {
	arrived bool // the name is new
	written bool // the file was changed after that
	touched bool // its mode, times or links were
	gone    bool // the name is gone
}

// hints are the names to be looked at, each once, in the order of their first
// mention.
type hints struct {
	names map[string]hint
	queue []string
}

func newHints() *hints { return &hints{names: make(map[string]hint)} }

func (h *hints) len() int { return len(h.queue) }

func (h *hints) has(name string) bool {
	_, ok := h.names[name]

	return ok
}

// add notes a further event of a name; false: there is no room for it.
func (h *hints) add(name string, event hint) bool {
	known, ok := h.names[name]

	switch {
	case !ok && len(h.queue) >= hintsMax:
		return false
	case !ok:
		h.queue = append(h.queue, name)
	}

	// What was before the name came or went is about another file.
	if !event.arrived && !event.gone {
		event.arrived = known.arrived
		event.written = event.written || known.written
		event.touched = event.touched || known.touched
	}

	h.names[name] = event

	return true
}

// next takes off the first; false: there is none.
func (h *hints) next() (string, hint, bool) {
	if len(h.queue) == 0 {
		return "", hint{}, false
	}

	name := h.queue[0]
	h.queue = h.queue[1:]
	event := h.names[name]
	delete(h.names, name)

	return name, event, true
}
