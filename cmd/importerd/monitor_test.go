package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// terminal is as much of one as a board needs: it knows how to go up, to clear what
// is below, and how to fold long lines.
type terminal struct {
	width int
	rows  []string
	at    int // row
}

var sequence = regexp.MustCompile(`\x1b\[([0-9]*)([A-Za-z])`)

// Write takes what a program prints.
func (m *terminal) Write(text []byte) (int, error) {
	for rest := string(text); rest != ""; {
		if found := sequence.FindStringSubmatch(rest); found != nil && strings.HasPrefix(rest, found[0]) {
			m.obey(found[1], found[2])
			rest = rest[len(found[0]):]

			continue
		}

		r, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		m.put(r)
	}

	return len(text), nil
}

func (m *terminal) obey(number, what string) {
	switch n, _ := strconv.Atoi(number); what {
	case "A":
		m.at -= n
	case "J":
		m.rows = m.rows[:min(m.at, len(m.rows))]
	case "m":
	default:
		panic("what does " + what + " mean?")
	}
}

func (m *terminal) put(r rune) {
	for len(m.rows) <= m.at {
		m.rows = append(m.rows, "")
	}

	switch {
	case r == '\n':
		m.at++
	case r == '\r': // all our lines are written from their begin
	case utf8.RuneCountInString(m.rows[m.at]) == m.width:
		m.at++
		m.put(r)
	default:
		m.rows[m.at] += string(r)
	}
}

// text returns what is to be seen.
func (m *terminal) text() string {
	return strings.TrimRight(strings.Join(m.rows, "\n"), "\n")
}

// testBoard returns a board on a terminal, at noon.
func testBoard(w wire.Watch, width, height int) (*board, *terminal, *time.Time) {
	m := &terminal{width: width}
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.Local)
	b := newBoard(&painter{out: m, coloured: true}, w, func() (int, int) { return m.width, height })
	b.now = func() time.Time { return now }

	return b, m, &now
}

func running(name string, at time.Time, progress *float64) wire.Event {
	return wire.Event{Kind: wire.KindChanged, Job: &wire.Job{
		ID: job.NewID(), Spool: "orders", Name: name, State: job.Processing, Attempt: 1, StartedAt: at, Progress: progress,
	}}
}

func finished(e wire.Event, state job.State, why string) wire.Event {
	j := *e.Job
	j.State, j.Error, j.Took, j.FinishedAt = state, why, 1.5, j.StartedAt.Add(1500*time.Millisecond)

	return wire.Event{Kind: wire.KindEnded, Job: &j}
}

func TestBoard(t *testing.T) {
	t.Parallel()

	half := 0.5
	b, m, now := testBoard(wire.Watch{Spool: "orders"}, 80, 24)
	b.draw()

	first := running("a.csv", now.Add(-time.Minute), &half)
	second := running("b\x1b[2J.csv", *now, nil)
	third := running("c.csv", *now, nil)

	for _, e := range []wire.Event{third, second, first, {Kind: wire.KindReady}} {
		b.event(e)
	}

	b.draw()

	short := func(e wire.Event) string { return shortID(e.Job.ID) }
	want := []string{
		short(first) + "  a.csv                   ██████████░░░░░░░░░░   50 %         1m00s",
		short(second) + `  b\x1b[2J.csv            ····················  running        0.0s`,
		short(third) + "  c.csv                   ····················  running        0.0s",
		"3 running, 0 done",
	}

	if got := m.text(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}

	// What fails scrolls, what is done is counted.
	*now = now.Add(2 * time.Second)
	failure := finished(second, job.Failed, "exit 3")
	failure.Job.Output = "reading\nno such column\n"

	b.event(finished(first, job.Done, ""))
	b.event(failure)
	b.event(finished(third, job.Terminated, "by a person"))
	b.draw()

	lines := strings.Split(m.text(), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], short(second)+`  b\x1b[2J.csv  exit 3: no such column`) ||
		!strings.HasSuffix(lines[1], "c.csv  by a person") ||
		lines[2] != "0 running, 1 done, 1 failed, 1 terminated, 1.5 files/s" {
		t.Errorf("got\n%s", m.text())
	}

	// The daemon goes away and comes back: what ran before is forgotten.
	b.event(running("lost.csv", *now, nil))
	b.away(errors.New("it is\nlost"))
	b.draw()

	if got := m.text(); !strings.Contains(got, `away        it is\nlost`) || !strings.Contains(got, "lost.csv") {
		t.Errorf("got\n%s", got)
	}

	b.away(nil)
	b.event(running("new.csv", *now, nil))
	b.close()

	if got := m.text(); strings.Contains(got, "lost.csv") || !strings.HasSuffix(got, "files/s") ||
		strings.Contains(got, "new.csv") || !strings.Contains(got, "1 running") {
		t.Errorf("got\n%s", got)
	}
}

// TestBoardFits: whatever the size of the terminal, and when it changes, no line is
// folded or left behind.
func TestBoardFits(t *testing.T) {
	t.Parallel()

	for _, width := range []int{20, 40, 59, 60, 80, 200} {
		b, m, now := testBoard(wire.Watch{All: true}, width, 10)

		for i := range 30 {
			e := running(strings.Repeat("ü", i*3)+".csv", now.Add(-time.Duration(i)*time.Hour), nil)
			if i%3 == 0 {
				e.Job.State = job.Paused
			}

			b.event(e)
		}

		for range 3 {
			b.draw()
		}

		if got := m.text(); strings.Count(got, "\n") != 7 || !strings.Contains(got, "and 24 more") {
			t.Errorf("width %d:\n%s", width, got)
		}

		for _, line := range m.rows {
			if n := utf8.RuneCountInString(line); n >= width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}

		// It becomes narrower, and folds what is there.
		folded := terminal{width: width / 2}
		for _, line := range b.drawn {
			fmt.Fprintln(&folded, strings.Repeat("x", line))
		}

		*m = folded
		b.draw()

		if got := m.text(); strings.Contains(got, "x") || strings.Count(got, "\n") != 7 {
			t.Errorf("width %d, halved:\n%s", width, got)
		}
	}
}

func TestBoardOfIDs(t *testing.T) {
	t.Parallel()

	now := time.Now()
	first, second := running("a.csv", now, nil), running("b.csv", now, nil)
	nobody := job.NewID()
	b, m, _ := testBoard(wire.Watch{Watch: []job.ID{first.Job.ID, second.Job.ID, nobody}}, 80, 24)

	b.event(first)
	b.event(second)
	b.event(wire.Event{Kind: wire.KindUnknown, ID: &nobody})
	b.event(finished(first, job.Done, ""))
	b.close()

	if got := m.text(); !strings.Contains(got, "a.csv  took 1.5s\n") || !strings.Contains(got, "unknown") ||
		!strings.HasSuffix(got, "\n1 running, 1 done, 1 of 3 ended") {
		t.Errorf("got\n%s", got)
	}
}

func TestBoardForgetsASpoolThatIsReset(t *testing.T) {
	t.Parallel()

	b, m, now := testBoard(wire.Watch{All: true}, 80, 24)
	b.event(running("a.csv", *now, nil))
	b.event(wire.Event{Kind: wire.KindReset, Spool: "clicks"})
	b.draw()

	if got := m.text(); !strings.Contains(got, "orders/a.csv") {
		t.Errorf("got\n%s", got)
	}

	b.event(wire.Event{Kind: wire.KindReset, Spool: "orders"})
	b.draw()

	if got := m.text(); strings.Contains(got, "a.csv") || !strings.Contains(got, "spool orders has another journal now") {
		t.Errorf("got\n%s", got)
	}
}

func TestEventLines(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.Local)
	known := map[job.ID]string{}

	var out strings.Builder

	v := &lineView{out: &out, now: func() time.Time { return now }, known: known}
	e := running("a.csv", now, nil)
	id := "  " + shortID(e.Job.ID) + "  a.csv"

	set := func(state job.State, attempt int, why string, due time.Time) wire.Event {
		j := *e.Job
		j.State, j.Attempt, j.Error, j.DueAt = state, attempt, why, due

		return wire.Event{Kind: wire.KindChanged, Job: &j}
	}

	half := 0.5
	progress := set(job.Processing, 1, "", time.Time{})
	progress.Job.Progress = &half

	for _, step := range []struct {
		event wire.Event
		want  string
	}{
		{set(job.Deferred, 0, "", now), ""},
		{e, "12:00:00  started   " + id},
		{progress, ""},
		{set(job.Paused, 1, "", time.Time{}), "12:00:00  paused    " + id},
		{e, "12:00:00  resumed   " + id},
		{set(job.Deferred, 1, "exit 3", now.Add(time.Minute)), "12:00:00  deferred  " + id + "  exit 3, again at 12:01:00"},
		{set(job.Processing, 2, "", now), "12:00:00  started   " + id + "  attempt 2"},
		{set(job.Committing, 2, "", now), ""},
		{finished(e, job.Failed, "exit 3"), "12:00:01  failed    " + id + "  exit 3"},
		{finished(e, job.Done, ""), "12:00:01  done      " + id + "  took 1.5s"},
		{wire.Event{Kind: wire.KindReady}, ""},
	} {
		out.Reset()
		v.event(step.event)

		if got := strings.TrimSuffix(out.String(), "\n"); got != step.want {
			t.Errorf("%+v: %q, want %q", step.event, got, step.want)
		}
	}

	if len(known) != 0 {
		t.Errorf("kept is %v", known)
	}

	v.all = true
	out.Reset()
	v.event(running("b", now, nil))

	if !strings.HasSuffix(out.String(), "  orders/b\n") {
		t.Errorf("%q", out.String())
	}
}

func TestRate(t *testing.T) {
	t.Parallel()

	var r rate

	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	if _, known := r.of(now); known {
		t.Error("a rate is known at once")
	}

	for i := range 100 {
		if i < 30 || i > 90 {
			r.count(now)
			r.count(now)
		}

		now = now.Add(time.Second)

		got, known := r.of(now)
		want := 2.0

		if i >= 40 && i < 90 {
			want = 0
		}

		if steady := i < 30 || i >= 40 && i < 90; steady && (!known || got < want-0.01 || got > want+0.3) {
			t.Errorf("after %d s: %v, want %v", i+1, got, want)
		}
	}

	r.turn(now.Add(-time.Hour)) // the clock is put back
	r.count(now.Add(-time.Hour))
}

func TestBrief(t *testing.T) {
	t.Parallel()

	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 1500 * time.Millisecond: "1.5s", 59*time.Second + 900*time.Millisecond: "59s",
		time.Minute: "1m00s", 59*time.Minute + 59*time.Second: "59m59s", 26 * time.Hour: "26h00m", 50 * time.Hour: "2d02h",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

var _ io.Writer = (*terminal)(nil)
