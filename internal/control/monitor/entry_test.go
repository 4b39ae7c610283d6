package monitor

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// TestMessagesAreEvents: what is put together by hand is what the encoder would
// have written.
func TestMessagesAreEvents(t *testing.T) {
	t.Parallel()

	f := openSpool(New(Options{}), "a", newBook()).feed
	rec := job.Record{
		ID: job.NewID(), Spool: "a", Name: "<a>\n\xff", State: job.Failed, Cursor: 3, Error: "exit 3", CreatedAt: time.Now(),
		Exit: &job.Exit{Code: 3, Tail: []byte("it was\nnot so")},
	}
	half := 0.5

	for _, c := range []struct {
		message message
		kind    wire.Kind
		cursor  string
		change  func(j *wire.Job)
	}{
		{jobMessage(wire.KindEnded, endOf(f, &rec), "x-_1"), wire.KindEnded, "x-_1", func(j *wire.Job) {
			j.Cursor, j.Output = f.cursor(3), "it was\nnot so"
		}},
		{jobMessage(wire.KindChanged, stateOf(f, &rec, &half), ""), wire.KindChanged, "", func(j *wire.Job) {
			j.Progress = &half
		}},
	} {
		j := wire.JobOf(rec)
		c.change(&j)

		want, err := json.Marshal(wire.Event{Kind: c.kind, Job: &j, Cursor: c.cursor})
		if err != nil || string(c.message.data) != string(want) {
			t.Errorf("%s\ninstead of\n%s, %v", c.message.data, want, err)
		}

		if strings.ContainsAny(string(c.message.data), "\r\n") || c.message.cursor != c.cursor {
			t.Errorf("%q", c.message)
		}
	}
}

func TestLastWords(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("x", maxOutput)

	for tail, want := range map[string]string{
		"":                                  "",
		"a\nb":                              "a\nb",
		"a\n" + long:                        long,
		"a\n" + long[:9] + "\n" + long[10:]: long[10:],
		long + "\nabc":                      "abc",
		long + "abc":                        long[3:] + "abc",
		long + "\n":                         long[1:] + "\n",
		"ü" + long[1:]:                      long[1:],
	} {
		got := string(lastWords([]byte(tail)))
		if got != want || !utf8.ValidString(got) {
			t.Errorf("of %.20q... is left %.20q..., want %.20q...", tail, got, want)
		}
	}

	done := job.Record{State: job.Done, Exit: &job.Exit{Tail: []byte("much")}}
	if clip(&done).Tail != nil || string(done.Exit.Tail) != "much" {
		t.Error("what was said of a job that is done is kept, or was taken from the record")
	}
}

func TestRing(t *testing.T) {
	t.Parallel()

	r := ring{floor: 10}
	total := int64(2*ringSize + 5)

	for n := range total {
		if got, ok := r.after(10, 3); n <= ringSize && (!ok || len(got) != int(min(n, 3))) {
			t.Fatalf("with %d there are %d, %t", n, len(got), ok)
		}

		r.push(&entry{cursor: 10 + 2*(n+1)}) // numbers may be left out
	}

	last, floor := 10+2*total, 10+2*(total-ringSize)

	if _, ok := r.after(floor-1, 3); ok || r.floor != floor {
		t.Errorf("what was dropped is not missed; the floor is %d, want %d", r.floor, floor)
	}

	for _, from := range []int64{floor, floor + 1, floor + 101, last - 4, last - 1, last, last + 7} {
		got, ok := r.after(from, ringSize)
		want := max(0, (last-from+1)/2)

		if !ok || int64(len(got)) != want || want > 0 && (got[0].cursor <= from || got[0].cursor > from+2) {
			t.Errorf("after %d there are %d, want %d", from, len(got), want)
		}
	}
}

// TestBoxIsBounded: what a client does not take costs so much and no more.
func TestBoxIsBounded(t *testing.T) {
	t.Parallel()

	b := newBox()

	for _, forgets := range []bool{true, false} {
		for range 2 * maxChanges {
			e := &entry{id: job.NewID()}
			b.change(e)
			b.change(e)

			if forgets {
				b.forget(e.id)
				b.forget(job.NewID())
			}
		}
	}

	if len(b.changes) > maxChanges {
		t.Errorf("%d changes are kept", len(b.changes))
	}

	var last change
	for _, c := range b.empty() {
		if c.turn <= last.turn {
			t.Fatalf("%d comes after %d", c.turn, last.turn)
		}

		last = c
	}

	if len(b.changes) != 0 {
		t.Error("something is left")
	}
}
