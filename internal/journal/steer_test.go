package journal_test

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"

	"pgregory.net/rapid"

	"importerd/internal/job"
	"importerd/internal/journal"
)

func isOpen(rec *job.Record) bool { return !rec.State.Ended() || rec.Moving != nil }

// steer draws what concerns steering. The wish of a record must not matter.
func (m *model) steer(t *rapid.T, rec *job.Record) {
	rec.Origin = rapid.SampledFrom([]job.Origin{job.Dropped, job.Uploaded, job.Triggered}).Draw(t, "origin")
	rec.Wish = rapid.SampledFrom([]job.Wish{job.NoWish, job.WishPause, job.WishTerminate}).Draw(t, "no wish")

	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		rec.Cursor = m.next(t)
	case 1:
		rec.Cursor = rapid.Int64Range(0, m.given).Draw(t, "stale")
	}
}

// next asks for a number.
func (m *model) next(t *rapid.T) int64 {
	n := m.j.NextCursor()
	if n <= m.given || m.j.LastCursor() != n {
		t.Fatalf("got number %d after %d, last is %d", n, m.given, m.j.LastCursor())
	}

	m.given = n

	return n
}

func (m *model) number(t *rapid.T) { m.next(t) }

// take does what recording does.
func (m *model) take(rec job.Record) {
	old, known := m.jobs[rec.ID]
	if !known {
		m.ids = append(m.ids, rec.ID)
	}

	m.recorded = max(m.recorded, rec.Cursor)
	rec.Cursor = max(rec.Cursor, old.Cursor)

	rec.Wish = old.Wish
	if rec.State.Ended() || rec.State == job.Paused {
		rec.Wish = job.NoWish
	}

	m.jobs[rec.ID] = rec
}

func (m *model) wish(t *rapid.T) {
	chosen := []job.ID{}
	for range rapid.IntRange(1, 3).Draw(t, "wishes") {
		if len(m.ids) == 0 || rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
			chosen = append(chosen, job.NewID())
		} else {
			chosen = append(chosen, rapid.SampledFrom(m.ids).Draw(t, "id"))
		}
	}

	var (
		wish  = rapid.SampledFrom([]job.Wish{job.NoWish, job.WishPause, job.WishTerminate}).Draw(t, "wish")
		err   = m.j.Wish(wish, chosen...)
		state *job.StateError
	)

	for _, id := range chosen {
		rec, known := m.jobs[id]

		switch {
		case !known && errors.Is(err, fs.ErrNotExist), known && rec.State.Ended() && errors.As(err, &state):
			return
		case !known, rec.State.Ended():
			t.Fatalf("wish %q for %s, which is %q: %v", wish, id, rec.State, err)
		}
	}

	m.check(err)

	for _, id := range chosen {
		rec := m.jobs[id]
		rec.Wish = wish
		m.jobs[id] = rec
	}
}

func (m *model) accept(t *rapid.T) {
	id := newID(t)
	if len(m.ids) > 0 && rapid.IntRange(0, 4).Draw(t, "again") == 0 {
		id = rapid.SampledFrom(m.ids).Draw(t, "id")
	}

	rec := record(t, id)
	m.steer(t, &rec)

	var (
		_, known = m.jobs[id]
		open     = m.triggers()
		err      = m.j.Accept(rec)
		twice    *job.KnownError
		busy     *job.BusyError
	)

	switch {
	case known:
		if !errors.As(err, &twice) || twice.ID != id {
			t.Fatalf("a known one was accepted: %v", err)
		}
	case rec.Origin == job.Triggered && len(open) > 0:
		if !errors.As(err, &busy) || open[busy.ID] != busy.State {
			t.Fatalf("of %v: %v", open, err)
		}
	default:
		m.check(err)
		m.take(rec)
	}
}

// triggers returns the open ones.
func (m *model) triggers() map[job.ID]job.State {
	open := map[job.ID]job.State{}

	for id, rec := range m.jobs {
		if rec.Origin == job.Triggered && isOpen(&rec) {
			open[id] = rec.Shown()
		}
	}

	return open
}

func (m *model) pause(t *rapid.T) {
	m.paused = rapid.Bool().Draw(t, "paused")
	m.check(m.j.SetPaused(m.paused))
}

func (m *model) compareSteered(t *rapid.T) {
	open := m.triggers()

	if id, state, ok := m.j.Trigger(); ok != (len(open) > 0) || open[id] != state {
		t.Fatalf("trigger %s is %q, of %v", id, state, open)
	}

	if m.j.Paused() != m.paused {
		t.Fatalf("the spool's being paused is %v", !m.paused)
	}

	if m.j.LastCursor() != m.given {
		t.Fatalf("last number is %d, want %d", m.j.LastCursor(), m.given)
	}

	for _, state := range []job.State{job.Processing, job.Paused} {
		list, err := m.j.List(journal.Query{State: state})
		m.check(err)

		want := slices.DeleteFunc(slices.Clone(m.ids), func(id job.ID) bool {
			rec := m.jobs[id]

			return rec.Shown() != state
		})
		slices.Reverse(want)

		if !slices.Equal(ids(list), want) {
			t.Fatalf("%d are listed as %s, want %d", len(list), state, len(want))
		}
	}
}

func (m *model) compareTold(t *rapid.T) {
	var (
		after = rapid.Int64Range(0, m.given).Draw(t, "after")
		n     = rapid.IntRange(0, 4).Draw(t, "at most")
		want  []job.Record
	)

	for _, rec := range m.jobs {
		if rec.State.Ended() && rec.Cursor > after {
			want = append(want, rec)
		}
	}

	slices.SortFunc(want, func(a, b job.Record) int { return cmp.Compare(a.Cursor, b.Cursor) })

	if n > 0 && len(want) > n {
		want = want[:n]
	}

	got, err := m.j.Told(after, n)
	m.check(err)

	if len(got) != len(want) {
		t.Fatalf("%d were told after %d, want %d", len(got), after, len(want))
	}

	for i, e := range got {
		if e.Cursor != want[i].Cursor { // stale ones may be the same for several
			t.Fatalf("number %d at %d, want %d", e.Cursor, i, want[i].Cursor)
		}
	}
}
