package journal_test

import (
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// model is what a journal should hold.
type model struct {
	t    *rapid.T
	dir  string
	j    *journal.Journal
	jobs map[job.ID]job.Record
	ids  []job.ID // in the order of recording

	given    int64 // the highest number given to an end
	recorded int64 // the highest one that outlasts the journal's being closed
	paused   bool
}

// TestJournalIsLikeAMap compares a journal with a map, over random calls and
// new starts.
func TestJournalIsLikeAMap(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(memory(), "journal")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()

		m := &model{t: t, dir: dir, jobs: map[job.ID]job.Record{}}
		m.open()

		defer func() { _ = m.j.Close() }()

		t.Repeat(map[string]func(*rapid.T){
			"new": func(t *rapid.T) { m.note(t, rapid.SampledFrom([]int{1, 2, 5, 40}).Draw(t, "jobs"), newID) },
			"change": func(t *rapid.T) {
				if len(m.ids) == 0 {
					t.Skip("no job")
				}

				m.note(t, rapid.IntRange(1, 5).Draw(t, "changes"), func(t *rapid.T) job.ID {
					return rapid.SampledFrom(m.ids).Draw(t, "id")
				})
			},
			"remove": m.remove,
			"wish":   m.wish,
			"accept": m.accept,
			"cursor": m.number,
			"pause":  m.pause,
			"reopen": func(t *rapid.T) {
				m.check(m.j.Close())
				m.open()
				m.given = m.recorded
			},
			"": m.compare,
		})
	})
}

// memory returns a directory on which a flush costs nothing: power cuts are
// not the matter here. Empty: there is none.
func memory() string {
	if _, err := os.Stat("/dev/shm"); err != nil {
		return ""
	}

	return "/dev/shm"
}

func (m *model) check(err error) {
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) open() {
	j, err := journal.Open(options(m.dir))
	m.check(err)
	m.j = j
}

// newID returns an id as we make them, or as a caller may give it.
func newID(t *rapid.T) job.ID {
	id := job.NewID()
	if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		id[15] |= 1
	}

	return id
}

func (m *model) note(t *rapid.T, n int, choose func(*rapid.T) job.ID) {
	recs := make([]job.Record, 0, n)

	for range n {
		rec := record(t, choose(t))
		m.steer(t, &rec)
		m.take(rec)
		recs = append(recs, rec)
	}

	if rapid.Bool().Draw(t, "durable") {
		m.check(m.j.Commit(recs...))
	} else {
		m.check(m.j.Note(recs...))
	}
}

func (m *model) remove(t *rapid.T) {
	if len(m.ids) == 0 {
		t.Skip("no job")
	}

	id := rapid.SampledFrom(m.ids).Draw(t, "id")
	m.recorded = m.given // what was given is remembered too

	if rapid.Bool().Draw(t, "drop") {
		m.check(m.j.Drop(id))
	} else {
		m.check(m.j.Remove(id))

		if rec := m.jobs[id]; isOpen(&rec) {
			return
		}
	}

	delete(m.jobs, id)

	m.ids = slices.DeleteFunc(m.ids, func(other job.ID) bool { return other == id })
}

// record draws one; each field is sometimes empty.
func record(t *rapid.T, id job.ID) job.Record {
	name := rapid.SampledFrom([]string{"a", "b", "c\xff", "", "d\n\x00"})
	number := rapid.SampledFrom([]int{0, 1, -1, 1 << 40})
	at := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "none") {
			return time.Time{}
		}

		return time.Unix(0, rapid.Int64().Draw(t, "at"))
	})
	state := rapid.SampledFrom([]job.State{
		job.Processing, job.Committing, job.Deferred, job.Paused, job.Done, job.Failed, job.Terminated,
	})

	rec := job.Record{
		ID: id, Spool: name.Draw(t, "spool"), Name: name.Draw(t, "name"), File: name.Draw(t, "file"),
		State: state.Draw(t, "state"), Attempt: number.Draw(t, "attempt"), Busy: number.Draw(t, "busy"),
		Size: int64(number.Draw(t, "size")), CreatedAt: at.Draw(t, "created"), FinishedAt: at.Draw(t, "finished"),
		DueAt: at.Draw(t, "due"), Error: name.Draw(t, "error"), Results: name.Draw(t, "results"),
		Changed: rapid.Bool().Draw(t, "changed"),
	}

	if rapid.Bool().Draw(t, "moving") {
		rec.Moving = &job.Move{From: job.InboxFolder, File: name.Draw(t, "from"), Name: name.Draw(t, "to"), ID: id}
	}

	if rapid.Bool().Draw(t, "seen") {
		rec.Seen = job.File{Name: name.Draw(t, "seen"), Size: int64(number.Draw(t, "size")), Mtime: at.Draw(t, "mtime")}
	}

	if rapid.Bool().Draw(t, "exited") {
		rec.Exit = &job.Exit{
			Code: number.Draw(t, "code"), Signal: name.Draw(t, "signal"),
			Tail: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "tail"),
		}
		if len(rec.Exit.Tail) == 0 {
			rec.Exit.Tail = nil
		}
	}

	return rec
}

// compare holds all that the journal answers against the model.
func (m *model) compare(t *rapid.T) {
	list, err := m.j.List(journal.Query{})
	m.check(err)

	slices.Reverse(list)

	if !slices.Equal(ids(list), m.ids) {
		t.Fatalf("the journal holds %d jobs, the model %d, or in another order", len(list), len(m.ids))
	}

	for _, e := range list {
		if d := differ(e.Record, m.jobs[e.ID]); d != "" {
			t.Fatal(d)
		}
	}

	m.compareCounts(t)
	m.compareDue(t)
	m.compareTold(t)
	m.compareSteered(t)
}

func (m *model) compareCounts(t *rapid.T) {
	counts, names, open := map[job.State]int{}, map[string]bool{}, 0

	for _, rec := range m.jobs {
		counts[rec.Shown()]++

		if isOpen(&rec) {
			names[rec.Name] = true
			open++
		}
	}

	tally, err := m.j.Tally()
	m.check(err)

	none := func(_ job.State, n int) bool { return n == 0 }
	got := m.j.Counts()
	maps.DeleteFunc(got, none)
	maps.DeleteFunc(tally, none)

	if !maps.Equal(got, counts) || !maps.Equal(tally, counts) {
		t.Fatalf("counts %v, tally %v, want %v", got, tally, counts)
	}

	for _, name := range []string{"a", "b", "c\xff", "", "d\n\x00", "e"} {
		if m.j.UnderWay(name) != names[name] {
			t.Fatalf("%q under way is %v", name, !names[name])
		}
	}

	for _, err := range m.j.Unfinished() {
		m.check(err)
		open--
	}

	if open != 0 {
		t.Fatalf("%d open jobs are missing", open)
	}
}

func (m *model) compareDue(t *rapid.T) {
	now := time.Unix(0, 0)

	var waiting []time.Time

	for _, id := range m.ids {
		if rec := m.jobs[id]; rec.State == job.Deferred && rec.Moving == nil {
			waiting = append(waiting, rec.DueAt)
		}
	}

	slices.SortFunc(waiting, time.Time.Compare)

	n := rapid.IntRange(0, 3).Draw(t, "n")

	due, next, err := m.j.Due(now, n)
	m.check(err)

	for _, rec := range due {
		if rec.DueAt.After(now) || !rec.DueAt.Equal(waiting[0]) {
			t.Fatalf("got a job due at %v, want one of %v", rec.DueAt, waiting[0])
		}

		waiting = waiting[1:]
	}

	want := time.Time{}
	if len(waiting) > 0 {
		if want = waiting[0]; want.IsZero() {
			want = now
		}
	}

	if len(due) < n && len(waiting) > 0 && !waiting[0].After(now) || !next.Equal(want) {
		t.Fatalf("%d of %d due, next %v, want %v", len(due), n, next, want)
	}
}
