package watch

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// changed returns the options with which a test has begun, bent.
func changed(path string, change ...func(*Options)) Options {
	opts := options(path)
	for _, c := range change {
		c(&opts)
	}

	return opts
}

func matching(globs ...string) func(*Options) { return func(o *Options) { o.Match = globs } }

// TestChangeOfMatch: what was ready and is not taken yet is not handed over any more, and
// what was ignored is.
func TestChangeOfMatch(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly, matching("*.csv"))
	r.drop("a.csv", "a")
	r.drop("a.txt", "a")
	r.start().swept()
	r.explained("a.txt", "name matches no pattern of the spool")
	must(t, r.Change(t.Context(), changed(r.path, eventsOnly, matching("*.txt"))))
	r.want("a.txt")
	r.drop("b.csv", "b")
	r.drop("b.txt", "b")
	r.want("b.txt")
	r.swept()
	r.explained("b.csv", "name matches no pattern of the spool")
	r.refuses("a.csv", "b.csv")

	if c := r.Counts(); c.Sweeps < 2 {
		t.Errorf("%d sweeps, want them to go on counting", c.Sweeps)
	}

	must(t, r.Change(t.Context(), changed(r.path, eventsOnly)))
	r.want("a.csv", "b.csv")
}

// TestChangeToTheSame leaves the watch alone.
func TestChangeToTheSame(t *testing.T) {
	t.Parallel()

	r := newRig(t, eventsOnly).start().swept()
	before := r.present()
	must(t, r.Change(t.Context(), changed("/elsewhere", eventsOnly)))

	if r.present() != before {
		t.Error("it has begun anew")
	}

	if err := r.Change(t.Context(), changed(r.path, matching("["))); err == nil || r.present() != before {
		t.Errorf("a bad pattern is taken: %v", err)
	}
}

// TestChangeAtAnyTime: before, during and after the run, many at once.
func TestChangeAtAnyTime(t *testing.T) {
	t.Parallel()

	r := newRig(t, matching("*.csv"))
	must(t, r.Change(t.Context(), changed(r.path, matching("*.txt"))))
	r.drop("a.txt", "a")
	r.start()
	r.want("a.txt")

	ended := make(chan error)

	for i := range 8 {
		go func() {
			ended <- r.Change(t.Context(), changed(r.path, func(o *Options) { o.Sweep = time.Second + time.Duration(i) }))
		}()
	}

	for range 8 {
		must(t, <-ended)
	}

	r.drop("b.csv", "b")
	r.want("b.csv")
	must(t, r.stop())
	must(t, r.Change(t.Context(), changed(r.path)))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, r.Change(ctx, changed(r.path, matching("*.txt"))))
}

// TestChangesLoseNothing: files come while the rules change again and again.
func TestChangesLoseNothing(t *testing.T) {
	t.Parallel()

	const files = 500

	r := newRig(t, eventsOnly).start().swept()
	names := make([]string, files)
	stop, ended := make(chan struct{}), make(chan error, 1)

	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				ended <- nil

				return
			default:
			}

			order := []Order{OrderNone, OrderAge, OrderName}[i%3]
			if err := r.Change(t.Context(), changed(r.path, eventsOnly, by(order))); err != nil {
				ended <- err

				return
			}
		}
	}()

	for i := range names {
		names[i] = fmt.Sprintf("f%03d", i)
		r.drop(names[i], "x")
	}

	close(stop)
	must(t, <-ended)
	r.want(names...)

	if slices.Contains(r.got, "") {
		t.Error("a file without a name")
	}
}
