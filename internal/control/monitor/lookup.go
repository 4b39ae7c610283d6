package monitor

import (
	"cmp"
	"slices"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// lookup is one look into the journals for jobs whose ends are still to be told.
type lookup struct {
	*ids

	views    []view
	complete bool // there is one for each spool
	ended    []*entry
	changed  []*entry
	unknown  []job.ID
}

// lookUp looks up those jobs that were not found yet, or in a journal that has gone
// meanwhile, and queues what is to be told of them. It says whether the client's
// place in a spool is gone.
func (s *ids) lookUp() (bool, error) {
	l := lookup{ids: s}

	wanted := l.begin()
	if len(wanted) == 0 {
		return false, nil
	}

	resets := l.enter()

	for _, id := range wanted {
		if err := l.job(id); err != nil {
			return false, err
		}
	}

	l.tell(resets)

	return len(resets) > 0, nil
}

// begin returns the jobs that are to be looked up.
func (l *lookup) begin() []job.ID {
	h := l.hub

	h.mu.Lock()
	defer h.mu.Unlock()

	if !l.moved {
		return nil
	}

	l.moved = false
	l.views, l.complete = h.views()

	var wanted []job.ID

	for id, home := range l.homes {
		if home == nil || home.closed {
			wanted = append(wanted, id)
		}
	}

	return wanted
}

// enter compares the client's place with the journals of spools that have come
// (back), and returns the spools of which it has lost its place.
func (l *lookup) enter() []string {
	var resets []string

	for _, v := range l.views {
		if l.seen[v.spool] == v.Feed {
			continue
		}

		at, known := l.at[v.spool]
		first := l.seen[v.spool] == nil
		gone := known && at.Journal != "" && (at.Journal != v.id || first && at.Number > v.journal.LastCursor())

		if gone {
			resets = append(resets, v.spool)
			l.from.cursor = slices.DeleteFunc(slices.Clone(l.from.cursor), func(p wire.Position) bool { return p.Spool == v.spool })
		}

		if known && (gone || at.Journal == "") {
			l.at[v.spool] = wire.Position{Spool: v.spool, Journal: v.id}
		}
	}

	return resets
}

// job looks one job up.
func (l *lookup) job(id job.ID) error {
	found, err := find(id, l.views)

	switch {
	case err != nil:
		return err
	case found.at == nil && (found.unsure || !l.complete):
		l.homes[id] = nil
	case found.at == nil:
		l.unknown = append(l.unknown, id)
		l.drop(id)
	case !found.at.isTold(&found.rec):
		l.homes[id] = found.at.Feed
		l.present(found)
	default:
		if had, _ := l.from.at(found.at.spool); found.rec.Cursor == 0 || found.rec.Cursor > had.Number {
			l.ended = append(l.ended, endOf(found.at.Feed, &found.rec))
		}

		l.drop(id)
	}

	return nil
}

// present notes how a job is now that has not ended.
func (l *lookup) present(found finding) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()

	if now, live := found.at.live[found.rec.ID]; live {
		l.changed = append(l.changed, now.entry)
	} else if !found.rec.State.Ended() {
		l.changed = append(l.changed, stateOf(found.at.Feed, &found.rec, nil))
	}
}

// drop waits for a job no more.
func (l *lookup) drop(id job.ID) {
	delete(l.homes, id)

	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()

	l.hub.release(l.ids, id)
}

// tell queues what was found: in each spool the ends in order, and then the rest.
func (l *lookup) tell(resets []string) {
	for _, spool := range resets {
		l.queue = append(l.queue, plainMessage(wire.Event{Kind: wire.KindReset, Spool: spool, Cursor: l.cursor()}))
	}

	slices.SortFunc(l.ended, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.feed.spool, b.feed.spool), cmp.Compare(a.cursor, b.cursor))
	})
	slices.SortFunc(l.unknown, func(a, b job.ID) int { return slices.Compare(a[:], b[:]) })

	for _, e := range l.ended {
		l.pass(e)
		l.queue = append(l.queue, jobMessage(wire.KindEnded, e, l.cursor()))
	}

	l.leave()

	cursor := l.cursor()
	for _, e := range l.changed {
		l.queue = append(l.queue, jobMessage(wire.KindChanged, e, cursor))
	}

	for _, id := range l.unknown {
		l.queue = append(l.queue, plainMessage(wire.Event{Kind: wire.KindUnknown, ID: &id, Cursor: cursor}))
	}
}

// leave moves the client's place behind all that was told before the journals were
// read. In spools in which jobs were looked up before, later ends may lie in the inbox.
func (l *lookup) leave() {
	for _, v := range l.views {
		if l.seen[v.spool] == v.Feed || !l.lives(v.Feed) {
			continue
		}

		l.seen[v.spool] = v.Feed
		l.pass(&entry{feed: v.Feed, cursor: v.told})
	}
}

// lives says whether a job that was looked up is of a feed.
func (l *lookup) lives(f *Feed) bool {
	for _, home := range l.homes {
		if home == f {
			return true
		}
	}

	return slices.ContainsFunc(l.ended, func(e *entry) bool { return e.feed == f })
}
