package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"importerd/internal/job"
)

// statusEvery is how often the status for people is made anew.
const statusEvery = time.Second

// status keeps the supervisor's status line true until ctx is done and the
// spools have drained.
func (a *App) status(ctx context.Context) error {
	beat, end, every := a.Loop("status")
	defer end()

	tick := time.NewTicker(min(statusEvery, every))
	defer tick.Stop()

	for {
		select {
		case <-tick.C:
			beat()
			a.notifier.Status(a.statusLine(time.Now()))
		case <-ctx.Done():
			return nil
		}
	}
}

// totals are the counts of all spools together.
type totals struct {
	waiting, held, running, deferred, later, done, failed int
	oldest                                                time.Time
	troubles                                              []string
}

// statusLine says in one line how the daemon stands:
//
//	12 waiting (oldest 3m), 4 running, 1 deferred, 340 done, 2 failed; orders: handler broken: exit 78
//
// During a reload it begins with "reloading, ".
func (a *App) statusLine(now time.Time) string {
	var t totals
	for _, l := range a.lines.all() {
		l.addTo(&t)
	}

	var b strings.Builder

	reloading, refused := a.reloads.state()
	if reloading {
		b.WriteString("reloading, ")
	}

	if refused {
		t.troubles = append(t.troubles, "the last reload was refused: importerd check says why")
	}

	if began, draining := a.stages.Began(); draining {
		fmt.Fprintf(&b, "draining for %s, %d running, %d waiting", age(now, began), t.running, t.waiting)
	} else {
		fmt.Fprintf(&b, "%d waiting", t.waiting)

		if t.waiting > 0 && !t.oldest.IsZero() {
			fmt.Fprintf(&b, " (oldest %s)", age(now, t.oldest))
		}

		fmt.Fprintf(&b, ", %d running", t.running)
	}

	if t.deferred > 0 {
		fmt.Fprintf(&b, ", %d deferred", t.deferred)
	}

	if t.later > 0 {
		fmt.Fprintf(&b, ", %d times put off by handlers", t.later)
	}

	if t.held > 0 {
		fmt.Fprintf(&b, ", %d held", t.held)
	}

	fmt.Fprintf(&b, ", %d done, %d failed", t.done, t.failed)

	for _, trouble := range t.troubles {
		b.WriteString("; " + trouble)
	}

	return b.String()
}

// addTo adds the counts of one spool.
func (l *line) addTo(t *totals) {
	if why := l.degraded.Load(); why != nil {
		t.troubles = append(t.troubles, l.name+": degraded: "+*why)
	}

	s := l.session.Load()
	if s == nil {
		return
	}

	w, p := s.watcher.Counts(), s.pool.Counts()
	t.waiting += max(w.Waiting-w.Standing[job.Held], p.Queued) // a sweep sees those again that are queued
	t.held += w.Standing[job.Held] + p.Held
	t.running += p.Running
	t.deferred += p.Deferred
	t.later += p.Later
	t.done += p.Done
	t.failed += p.Failed

	if !w.Oldest.IsZero() && (t.oldest.IsZero() || w.Oldest.Before(t.oldest)) {
		t.oldest = w.Oldest
	}

	for _, trouble := range []struct{ what, why string }{
		{"degraded", w.Degraded}, {"handler broken", p.Broken}, {"disk", p.Disk},
	} {
		if trouble.why != "" {
			t.troubles = append(t.troubles, l.name+": "+trouble.what+": "+trouble.why)
		}
	}
}

// age returns how long ago at was, coarsely.
func age(now, at time.Time) string {
	d := max(now.Sub(at), 0)

	switch {
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	default:
		return strings.TrimSuffix(d.Truncate(time.Hour).String(), "0m0s")
	}
}
