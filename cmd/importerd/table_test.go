package main

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"importerd/internal/job"
	"importerd/internal/journal"
)

func TestTableFits(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 3, 4, 15, 0, 0, 0, time.Local)
	recs := []job.Record{
		{
			ID: job.NewID(), Name: strings.Repeat("ü\n", 60), State: job.Terminated, Attempt: 999,
			CreatedAt: now.AddDate(-1, 0, 0), Error: strings.Repeat("it is so ", 30) + "\x1b[2J\nsecond line",
		},
		{ID: job.NewID(), Name: "a", State: job.Deferred, CreatedAt: now, DueAt: now.Add(24 * time.Hour)},
		{ID: job.NewID(), Name: "b", State: job.Done, CreatedAt: now, StartedAt: now, FinishedAt: now.Add(-time.Minute)},
	}

	for _, width := range []int{80, 81, 132, 400} {
		var out strings.Builder

		table := &table{out: &out, now: now, width: width}
		table.print(recs)
		table.print(recs[1:]) // the head comes once

		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 6 || strings.Count(out.String(), "ATT") != 1 || strings.Contains(out.String(), "\x1b") {
			t.Errorf("width %d: %q", width, out.String())
		}

		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
	}

	var out strings.Builder

	table := &table{out: &out, now: now}
	table.print(recs)

	for _, want := range []string{
		job.Show(recs[0].Name), `it is so \x1b[2J\nsecond line`, "2025-03-04", "due Mar  5 15:00", "14:59:00",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("without a width %q is missing in:\n%s", want, out.String())
		}
	}
}

func TestMergeTakesTheNewestFirst(t *testing.T) {
	t.Parallel()

	list := func(err error, ages ...int) iter.Seq2[journal.Entry, error] {
		return func(yield func(journal.Entry, error) bool) {
			for _, age := range ages {
				rec := job.Record{Name: fmt.Sprint(age), CreatedAt: time.Unix(int64(100-age), 0)}
				if !yield(journal.Entry{Record: rec}, nil) {
					return
				}
			}

			if err != nil {
				yield(journal.Entry{}, err)
			}
		}
	}

	broken := errors.New("broken")

	for _, c := range []struct {
		lists []iter.Seq2[journal.Entry, error]
		want  string
		err   error
	}{
		{nil, "", nil},
		{[]iter.Seq2[journal.Entry, error]{list(nil), list(nil, 1, 4), list(nil, 2, 3, 5)}, "12345", nil},
		{[]iter.Seq2[journal.Entry, error]{list(broken, 2), list(nil, 1, 3)}, "12", broken},
	} {
		got, err := "", error(nil)

		for rec, e := range merge(c.lists) {
			if got += rec.Name; e != nil {
				err = e
			}
		}

		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("got %q, %v; want %q, %v", got, err, c.want, c.err)
		}
	}

	next, stop := iter.Pull2(merge([]iter.Seq2[journal.Entry, error]{list(nil, 1, 2)}))

	if rec, err, ok := next(); rec.Name != "1" || err != nil || !ok {
		t.Errorf("first comes %q, %v", rec.Name, err)
	}

	stop() // ends the lists too
}

func TestOneID(t *testing.T) {
	t.Parallel()

	cmd := (&program{}).showCommand()
	id := job.NewID().String()

	for _, good := range []string{id, strings.ToUpper(id), id[:6], id[30:], shortID(job.NewID())} {
		if err := oneID(cmd, []string{good}); err != nil {
			t.Error(err)
		}
	}

	bad := [][]string{{}, {id, id}, {id[:5]}, {id + "0"}, {"%%%%%%"}, {"abcdeg"}, {""}}
	for _, args := range bad {
		if code(oneID(cmd, args)) != codeUsage {
			t.Errorf("%q is taken for one id", args)
		}
	}
}

func TestAllStates(t *testing.T) {
	t.Parallel()

	if states := allStates(); !slices.Contains(states, string(job.Paused)) || len(states) != 7 {
		t.Errorf("%v", states)
	}
}
