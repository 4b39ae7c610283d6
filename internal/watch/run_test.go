package watch

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"importerd/internal/job"
)

func TestStartAndStop(t *testing.T) {
	t.Parallel()

	r := newRig(t).start()
	for range 2 { // stopping twice is well
		must(t, r.stop())
	}
}

func TestStartAfterStop(t *testing.T) {
	t.Parallel()

	r := newRig(t).start()
	must(t, r.stop())

	if err := r.Run(t.Context()); err == nil {
		t.Error("a second run is no error")
	}
}

func TestCancelledBeforeTheStart(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := newRig(t).Run(ctx); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// Nobody takes what is ready, everybody asks: it stops all the same.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	for i := range 200 {
		r.drop(number(i), "1")
	}

	r.start()

	var askers sync.WaitGroup

	stop := make(chan struct{})

	for range 4 {
		askers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					r.Look(number(i % 200))
					r.Sweep()
					r.Counts()
					r.Explain(t.Context(), number(i%200))
				}
			}
		})
	}

	r.until("ready files", func(c Counts) bool { return c.Standing[job.Ready] > 0 })
	must(t, r.stop())
	close(stop)
	askers.Wait()
}

func TestConcurrentStarts(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 8)

	var runs sync.WaitGroup

	for range cap(results) {
		runs.Go(func() { results <- r.Run(ctx) })
	}

	wait(t, "armed", r.Armed())
	cancel()
	runs.Wait()
	close(results)

	well := 0

	for err := range results {
		if err == nil {
			well++
		}
	}

	if well != 1 {
		t.Errorf("%d runs went well", well)
	}
}

func TestBeforeTheRun(t *testing.T) {
	t.Parallel()

	r := newRig(t)
	if got := r.Explain(t.Context(), "a.csv"); got.Text != job.ReasonNotWatching || got.Standing != job.Held {
		t.Errorf("it explains: %+v", got)
	}

	if c := r.Counts(); c.Waiting != 0 || c.Complete || c.Exhausted {
		t.Errorf("it counts %+v", c)
	}
}

// Whoever asks while the loop stands in a probe gets away by his own context.
func TestExplainEndsWithItsContext(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly)
	reached, release := make(chan struct{}), make(chan struct{})
	r.inbox.bend = func(f job.File, err error) (job.File, error) {
		close(reached)
		<-release

		return f, err
	}

	r.drop("a.csv", "1")

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)

	go func() { ended <- r.Run(ctx) }()

	<-reached

	impatient, leave := context.WithCancel(t.Context())
	leave()

	if got := r.Explain(impatient, "a.csv"); got.Text != job.ReasonNotWatching {
		t.Errorf("it explains: %+v", got)
	}

	cancel()
	close(release)
	must(t, <-ended)
}

func TestOptions(t *testing.T) {
	t.Parallel()

	for name, bad := range map[string]func(*Options){
		"no path":        func(o *Options) { o.Path = "" },
		"pattern":        func(o *Options) { o.Match = []string{"*.csv", "[a"} },
		"negative":       func(o *Options) { o.Settle = -1 },
		"longer than":    func(o *Options) { o.Sweep = 0 },
		"want auto":      func(o *Options) { o.Ready = "soon" },
		"want none":      func(o *Options) { o.Order = "size" },
		"marker is":      func(o *Options) { o.Ready = ModeMarker },
		"ignored as":     func(o *Options) { o.Ready, o.Marker = ModeMarker, ".tmp" },
		"marker is \"/x": func(o *Options) { o.Ready, o.Marker = ModeMarker, "/x" },
	} {
		o := options("/nowhere")
		bad(&o)

		if _, err := New(nil, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}

	if _, err := New(nil, Options{Path: "/nowhere", Sweep: time.Second}); err != nil {
		t.Errorf("what can be left out cannot: %v", err)
	}
}

// A sweep logs what it passed over once, not each time.
func TestReport(t *testing.T) {
	t.Parallel()

	var (
		out bytes.Buffer
		r   report
	)

	log := zerolog.New(&out).Level(zerolog.InfoLevel)
	none, some := &tally{}, &tally{}
	some.add(unreadable, "a\x1b.csv", time.Time{})
	some.add(notRegular, "dir", time.Time{})
	some.add(temporary, "x.tmp", time.Time{})

	for i, step := range []struct {
		before, now *tally
		lines       int
	}{
		{none, some, 1},
		{some, some, 1},
		{some, some, 0},
		{some, none, 0},
		{none, some, 0},
		{some, none, 0},
		{none, none, 0},
		{none, some, 1},
	} {
		out.Reset()
		r.tell(log, step.before, step.now)

		if n := strings.Count(out.String(), "\n"); n != step.lines {
			t.Errorf("step %d: %d lines: %s", i, n, out.String())
		}

		if strings.Contains(out.String(), `\u001b`) || strings.Contains(out.String(), "x.tmp") {
			t.Errorf("step %d: %s", i, out.String())
		}
	}
}

func TestDegradationIsLoggedOnce(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	h := newHand(t, func(o *Options) { o.Log = zerolog.New(&out) })
	h.rig.inbox.set(func() { h.rig.inbox.checked, h.rig.inbox.reopened = job.ErrInboxReplaced, context.Canceled })

	for range 5 {
		must(t, h.check())
	}

	h.wanted = false
	h.rig.inbox.set(func() { h.rig.inbox.checked, h.rig.inbox.reopened = nil, nil })

	for range 5 {
		must(t, h.check())
	}

	if !h.wanted || h.plan.sweep.After(time.Now()) {
		t.Error("no sweep follows")
	}

	for text, want := range map[string]int{"watch degraded": 1, "inbox opened anew": 1, "watch recovered": 1} {
		if n := strings.Count(out.String(), text); n != want {
			t.Errorf("%q is logged %d times:\n%s", text, n, out.String())
		}
	}
}
