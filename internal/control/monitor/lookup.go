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

	views    []view   // nil: there is no reason to look
	complete bool     // there is one for each spool
	took     []*entry // out of the inbox, when the views were taken
	found    []finding
	ended    []*entry
	changed  []*entry
	unknown  []job.ID
}

// lookUp looks up those jobs that were not found yet, or in a journal that has gone
// meanwhile, and queues what is to be told of them. It says whether the client's
// place in a spool is gone.
func (s *ids) lookUp() (bool, error) {
	for {
		l := lookup{ids: s}
		wanted := l.begin()

		if l.views == nil {
			return false, nil
		}

		whole, err := l.findAll(wanted)
		if err != nil {
			return false, err
		}

		if whole {
			return l.apply(), nil
		}

		l.giveBack()
	}
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
	l.took, l.inbox = l.inbox, nil

	var wanted []job.ID

	for id, home := range l.homes {
		if home == nil || home.closed {
			wanted = append(wanted, id)
		}
	}

	return wanted
}

// findAll looks in the journals; false: one was closed meanwhile. What was found in
// it is not all that was told, and cannot be told in order.
func (l *lookup) findAll(wanted []job.ID) (bool, error) {
	for _, id := range wanted {
		f, err := find(id, l.views)
		if err != nil || f.unsure {
			return false, err
		}

		f.rec.ID, f.rec.Exit = id, clip(&f.rec)
		l.found = append(l.found, f)
	}

	return true, nil
}

// giveBack makes as if nothing had been looked up.
func (l *lookup) giveBack() {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()

	l.moved = true
	l.inbox = append(l.took, l.inbox...)
}

// apply queues what is to be told.
func (l *lookup) apply() bool {
	l.sortInbox()

	resets := l.enter()

	for i := range l.found {
		l.job(&l.found[i])
	}

	l.tell(resets)

	return len(resets) > 0
}

// sortInbox takes up what was in the inbox; it is told along with what was found, so
// that all comes in order. Ends in a spool in which nothing was looked up, and which
// is not open any more, have to wait: others that were told before them are not
// known. They will be found in the journal, unless the spool has gone for good.
func (l *lookup) sortInbox() {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()

	for _, e := range l.took {
		_, wanted := l.homes[e.id]
		_, stays := l.hub.spools[e.feed.spool]
		asked := !stays || l.seen[e.feed.spool] == e.feed ||
			slices.ContainsFunc(l.views, func(v view) bool { return v.Feed == e.feed })

		switch {
		case wanted && asked:
			l.ended = append(l.ended, e)
			delete(l.homes, e.id)
		case wanted:
			l.hub.await(l.ids, e.id)
		}
	}
}

// enter compares the client's place with the journals of spools that have come
// (back), and returns the spools of which it has lost its place.
func (l *lookup) enter() []string {
	var resets []string

	for _, v := range l.views {
		at, known := l.at[v.spool]
		if !known || l.seen[v.spool] == v.Feed {
			continue
		}

		first := l.seen[v.spool] == nil
		gone := at.Journal != "" && (at.Journal != v.id || first && at.Number > v.journal.LastCursor())

		if gone {
			resets = append(resets, v.spool)
			l.from.forget(v.spool)
		}

		if gone || at.Journal == "" {
			l.at[v.spool] = wire.Position{Spool: v.spool, Journal: v.id}
		}
	}

	return resets
}

// job sorts out what was found of one job.
func (l *lookup) job(f *finding) {
	id := f.rec.ID

	if _, wanted := l.homes[id]; !wanted {
		return // its end was in the inbox
	}

	switch {
	case f.at == nil && !l.complete:
		l.homes[id] = nil
	case f.at == nil:
		l.unknown = append(l.unknown, id)
		l.drop(id)
	case !f.at.isTold(&f.rec):
		l.homes[id] = f.at.Feed
		l.present(f)
	default:
		if had, _ := l.from.at(f.at.spool); f.rec.Cursor == 0 || f.rec.Cursor > had.Number {
			l.ended = append(l.ended, endOf(f.at.Feed, &f.rec))
		}

		l.drop(id)
	}
}

// present notes how a job is now that has not ended.
func (l *lookup) present(f *finding) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()

	if now, live := f.at.live[f.rec.ID]; live {
		l.changed = append(l.changed, now)
	} else if !f.rec.State.Ended() {
		l.changed = append(l.changed, stateOf(f.at.Feed, &f.rec, nil))
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

// leave moves the client's place behind all that was told when the views were taken:
// that was in the inbox or in the journals.
func (l *lookup) leave() {
	for _, v := range l.views {
		l.pass(&entry{feed: v.Feed, cursor: v.told})
		l.seen[v.spool] = v.Feed
	}
}
