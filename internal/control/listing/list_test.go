package listing

import (
	"errors"
	"testing"
	"time"

	"importerd/internal/job"
)

// What is wanted of the last hour is that of the first page on all pages: nothing is
// too old for the next one.
func TestSinceStays(t *testing.T) {
	t.Parallel()

	var asked []time.Time

	source := &Source{Name: "orders", List: func(q Query) ([]Entry, error) {
		asked = append(asked, q.Since)

		return []Entry{{Place: 2}, {Place: 1}}, nil
	}}
	c := Choice{Sources: []*Source{source}, Ago: "1h"}

	first, err := c.Open("")
	if err != nil {
		t.Fatal(err)
	}

	if _, _, err := first.Next(); err != nil {
		t.Fatal(err)
	}

	after, err := first.Cursor()
	if err != nil {
		t.Fatal(err)
	}

	if _, err := c.Open(after); err != nil {
		t.Fatal(err)
	}

	if len(asked) != 2 || !asked[0].Equal(asked[1]) || time.Since(asked[0]) < time.Hour {
		t.Errorf("asked for what is since %v", asked)
	}
}

// A source that fails in the middle ends the list: it does not come out shorter.
func TestFailureInTheMiddle(t *testing.T) {
	t.Parallel()

	calls := 0
	source := &Source{Name: "orders", List: func(Query) ([]Entry, error) {
		if calls++; calls > 1 {
			return nil, job.ErrDegraded
		}

		full := make([]Entry, chunk)
		for i := range full {
			full[i].Place = int64(2*chunk - i)
		}

		return full, nil
	}}

	l, err := Choice{Sources: []*Source{source, {Name: "other", List: func(Query) ([]Entry, error) { return nil, nil }}}}.
		Open("")
	if err != nil {
		t.Fatal(err)
	}

	for range chunk {
		if _, _, err := l.Next(); err != nil {
			t.Fatal(err)
		}
	}

	if _, _, err := l.Next(); !errors.Is(err, job.ErrDegraded) {
		t.Errorf("it goes on with %v", err)
	}

	if _, err := l.Cursor(); !errors.Is(err, job.ErrDegraded) {
		t.Errorf("the cursor comes with %v", err)
	}
}

// Whatever a client gives as a cursor is one or is refused.
func FuzzCursor(f *testing.F) {
	good, err := cursor{Key: "k", Marks: []mark{{"orders", job.Done, 7}}, Since: 1}.format()
	if err != nil {
		f.Fatal(err)
	}

	f.Add(good)
	f.Add("e30")
	f.Add("")

	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse(text, "k")
		if err != nil {
			return
		}

		again, err := c.format()
		if err != nil {
			t.Fatal(err)
		}

		if _, err := parse(again, "k"); err != nil || len(c.Marks) == 0 || c.Marks[0].Before < 1 {
			t.Errorf("%q is %+v: %v", text, c, err)
		}
	})
}
