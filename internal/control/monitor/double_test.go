package monitor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"importerd/internal/job"
	"importerd/internal/journal"
)

// book is a journal in memory.
type book struct {
	id string

	mu     sync.Mutex
	rows   map[job.ID]job.Record
	last   int64
	broken error // what all reads return
	pages  int   // that were read
}

func newBook() *book { return &book{id: job.NewID().String(), rows: map[job.ID]job.Record{}} }

func (b *book) ID() string { return b.id }

func (b *book) Get(id job.ID) (job.Record, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.broken != nil {
		return job.Record{}, b.broken
	}

	rec, ok := b.rows[id]
	if !ok {
		return rec, fmt.Errorf("job %s: %w", id, fs.ErrNotExist)
	}

	return rec, nil
}

func (b *book) Told(after int64, n int) ([]job.Record, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.broken != nil {
		return nil, b.broken
	}

	b.pages++

	var told []job.Record

	for _, rec := range b.rows {
		if rec.State.Ended() && rec.Cursor > after {
			told = append(told, rec)
		}
	}

	slices.SortFunc(told, func(x, y job.Record) int { return cmp.Compare(x.Cursor, y.Cursor) })

	return told[:min(n, len(told))], nil
}

func (b *book) LastCursor() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.last
}

func (b *book) NextCursor() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.last++

	return b.last
}

func (b *book) Commit(recs ...job.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()

	for _, rec := range recs {
		rec.Cursor = max(rec.Cursor, b.rows[rec.ID].Cursor)
		b.rows[rec.ID] = rec
		b.last = max(b.last, rec.Cursor)
	}

	return nil
}

// real is the real journal, as the app hands it over.
type real struct{ *journal.Journal }

func (r real) Get(id job.ID) (job.Record, error) {
	e, err := r.Journal.Get(id)

	return e.Record, err
}

func (r real) Told(after int64, n int) ([]job.Record, error) {
	entries, err := r.Journal.Told(after, n)

	var recs []job.Record
	for _, e := range entries {
		recs = append(recs, e.Record)
	}

	return recs, err
}

// writable is what both journals are to a test.
type writable interface {
	Journal
	NextCursor() int64
	Commit(recs ...job.Record) error
}

// shut closes the journal.
func (r real) shut() { _ = r.Close() }

func openReal(t testing.TB, dir string) real {
	t.Helper()

	j, err := journal.Open(journal.Options{
		Path: filepath.Join(dir, "journal.db"), Boot: "boot", Log: zerolog.Nop(),
		SetAside: func(name string) (string, error) { return "", fmt.Errorf("%s: %w", name, errors.ErrUnsupported) },
	})
	if err != nil {
		t.Fatal(err)
	}

	return real{j}
}

// TestDoubleIsLikeTheJournal has both do the same.
func TestDoubleIsLikeTheJournal(t *testing.T) {
	t.Parallel()

	const steps = 40

	r, b := openReal(t, t.TempDir()), newBook()
	defer r.shut()

	random := rand.New(rand.NewPCG(1, 2))

	var ids []job.ID

	for range steps {
		rec := job.Record{ID: job.NewID(), Spool: "s", Name: "a", CreatedAt: time.Now(), State: job.Processing}
		if len(ids) > 0 && random.IntN(2) == 0 {
			rec.ID = ids[random.IntN(len(ids))]
		}

		ids = append(ids, rec.ID)

		if random.IntN(2) == 0 {
			rec.State, rec.Cursor = job.Done, b.NextCursor()

			if got := r.NextCursor(); got != rec.Cursor {
				t.Fatalf("the next number is %d, want %d", got, rec.Cursor)
			}
		}

		if err := errors.Join(r.Commit(rec), b.Commit(rec)); err != nil {
			t.Fatal(err)
		}
	}

	for after := range b.last + 2 {
		for _, n := range []int{1, 2, steps} {
			if got, want := numbers(t, r, after, n), numbers(t, b, after, n); !slices.Equal(got, want) {
				t.Errorf("told after %d are %v, want %v", after, got, want)
			}
		}
	}

	for _, id := range append(ids, job.NewID()) {
		got, gotErr := r.Get(id)
		want, wantErr := b.Get(id)

		if got.Cursor != want.Cursor || got.State != want.State ||
			errors.Is(gotErr, fs.ErrNotExist) != errors.Is(wantErr, fs.ErrNotExist) {
			t.Errorf("%v, %v; want %v, %v", got, gotErr, want, wantErr)
		}
	}

	if r.LastCursor() != b.LastCursor() {
		t.Errorf("the last number is %d, want %d", r.LastCursor(), b.LastCursor())
	}
}

func numbers(t *testing.T, j Journal, after int64, n int) []int64 {
	t.Helper()

	recs, err := j.Told(after, n)
	if err != nil {
		t.Fatal(err)
	}

	var all []int64
	for _, rec := range recs {
		all = append(all, rec.Cursor)
	}

	return all
}
