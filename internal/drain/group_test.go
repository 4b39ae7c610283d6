package drain_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/drain"
)

var errBroken = errors.New("broken")

// book writes down what happens, in its order.
type book struct {
	mu    sync.Mutex
	lines []string
}

func (b *book) add(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
}

func (b *book) want(t *testing.T, want string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()

	if got := strings.Join(b.lines, ", "); got != want {
		t.Errorf("it went %q, want %q", got, want)
	}
}

// waiter is an actor that lives until it is cancelled and then takes its time.
func (b *book) waiter(name string, last time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		b.add(name + " told")

		if last > 0 {
			<-time.After(last)
		}

		b.add(name + " ended")

		return nil
	}
}

func broken(context.Context) error { return errBroken }

func quick(context.Context) error { return nil }

// run runs g beside the test and returns the channel with its one answer.
func run(ctx context.Context, g *drain.Group) <-chan error {
	answer := make(chan error, 1)
	go func() { answer <- g.Run(ctx) }()

	return answer
}

func TestGroupStopsInReverseEachAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			b book
			g drain.Group
		)

		g.Add("journal", time.Minute, b.waiter("journal", 0))
		g.Add("work", time.Minute, b.waiter("work", 10*time.Second))
		g.Add("api", time.Minute, b.waiter("api", 10*time.Second))

		ctx, cancel := context.WithCancel(t.Context())
		answer := run(ctx, &g)

		synctest.Wait()
		b.want(t, "")
		cancel()
		cancel()

		if err := <-answer; err != nil {
			t.Errorf("Run: %v", err)
		}

		b.want(t, "api told, api ended, work told, work ended, journal told, journal ended")
	})
}

func TestGroupEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			b book
			g drain.Group
		)

		g.Add("journal", time.Minute, b.waiter("journal", 0))
		g.Add("work", time.Minute, broken)
		g.Add("api", time.Minute, func(ctx context.Context) error {
			<-ctx.Done()

			return errors.New("late")
		})

		err := g.Run(t.Context())
		if !errors.Is(err, errBroken) || err.Error() != "work: broken\napi: late" {
			t.Errorf("Run: %v", err)
		}

		b.want(t, "journal told, journal ended")
	})
}

func TestGroupGoesOnWithoutOneThatHasDoneItsPart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			b book
			g drain.Group
		)

		g.Add("recovery", time.Minute, quick)
		g.Add("work", time.Minute, b.waiter("work", 0))

		ctx, cancel := context.WithCancel(t.Context())
		answer := run(ctx, &g)
		<-time.After(time.Hour)
		b.want(t, "")
		cancel()

		if err := <-answer; err != nil {
			t.Errorf("Run: %v", err)
		}

		b.want(t, "work told, work ended")
	})
}

func TestGroupEndsWhenAllHaveEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g drain.Group
		if err := g.Run(t.Context()); err != nil {
			t.Errorf("an empty group: %v", err)
		}

		g = drain.Group{}
		g.Add("one", time.Minute, quick)
		g.Add("two", time.Minute, quick)

		if err := g.Run(t.Context()); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestGroupLeavesBehindWhoOutlivesItsGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			b book
			g drain.Group
		)

		release := make(chan struct{})

		g.Add("journal", time.Minute, b.waiter("journal", 0))
		g.Add("work", 3*time.Second, func(context.Context) error {
			<-release

			return nil
		})
		g.Add("api", time.Minute, broken)

		began := time.Now()
		err := g.Run(t.Context())

		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("it took %s", took)
		}

		if !errors.Is(err, errBroken) || err.Error() != "api: broken\nwork did not end within 3s" {
			t.Errorf("Run: %v", err)
		}

		b.want(t, "journal told, journal ended")
		close(release)
	})
}

func TestGroupTellsErrorsOfTheStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g drain.Group

		mixed := func(ctx context.Context) error {
			<-ctx.Done()

			return errors.Join(errBroken, ctx.Err())
		}

		g.Add("journal", time.Minute, mixed)
		g.Add("api", time.Minute, func(ctx context.Context) error {
			<-ctx.Done()

			return errors.New("still busy")
		})

		ctx, cancel := context.WithCancel(t.Context())
		answer := run(ctx, &g)
		synctest.Wait()
		cancel()

		err := <-answer
		if !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "api: still busy\njournal: broken") {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestGroupTakesCanceledForAGoodEndOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g drain.Group

		g.Add("asked", time.Minute, func(ctx context.Context) error {
			<-ctx.Done()

			return ctx.Err()
		})
		g.Add("unasked", time.Minute, func(context.Context) error { return context.Canceled })

		if err := g.Run(t.Context()); err == nil || err.Error() != "unasked: context canceled" {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestGroupTellsWhoEndsUnaskedDuringTheStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			b book
			g drain.Group
		)

		g.Add("unasked", time.Minute, func(context.Context) error {
			<-time.After(5 * time.Second)

			return context.Canceled
		})
		g.Add("api", time.Minute, b.waiter("api", 10*time.Second))

		ctx, cancel := context.WithCancel(t.Context())
		answer := run(ctx, &g)
		synctest.Wait()
		cancel()

		if err := <-answer; err == nil || err.Error() != "unasked: context canceled" {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestGroupRunsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			b book
			g drain.Group
		)

		g.Add("work", time.Minute, b.waiter("work", 0))

		ctx, cancel := context.WithCancel(t.Context())
		answer := run(ctx, &g)
		synctest.Wait()

		if err := g.Run(ctx); !errors.Is(err, drain.ErrRan) {
			t.Errorf("a second Run beside the first: %v", err)
		}

		cancel()

		if err := <-answer; err != nil {
			t.Errorf("Run: %v", err)
		}

		if err := g.Run(t.Context()); !errors.Is(err, drain.ErrRan) {
			t.Errorf("Run after the stop: %v", err)
		}
	})
}

func TestGroupStartsNobodyWhenStoppedBeforehand(t *testing.T) {
	t.Parallel()

	var g drain.Group

	g.Add("work", time.Minute, broken)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if err := g.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestGroupDoesNotWaitForGoexit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g drain.Group

		g.Add("gone", time.Minute, func(context.Context) error {
			runtime.Goexit()

			return errBroken
		})

		if err := g.Run(t.Context()); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestGroupHandsOnValues(t *testing.T) {
	t.Parallel()

	type key struct{}

	var g drain.Group

	g.Add("work", time.Minute, func(ctx context.Context) error {
		if ctx.Value(key{}) != "value" {
			return errBroken
		}

		return nil
	})

	if err := g.Run(context.WithValue(t.Context(), key{}, "value")); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestGroupsNest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			b            book
			inner, outer drain.Group
		)

		inner.Add("a", time.Minute, b.waiter("a", time.Second))
		inner.Add("b", time.Minute, b.waiter("b", time.Second))
		outer.Add("inner", time.Minute, inner.Run)
		outer.Add("c", time.Minute, b.waiter("c", time.Second))

		ctx, cancel := context.WithCancel(t.Context())
		answer := run(ctx, &outer)
		synctest.Wait()
		cancel()

		if err := <-answer; err != nil {
			t.Errorf("Run: %v", err)
		}

		b.want(t, "c told, c ended, b told, b ended, a told, a ended")
	})
}

func TestGroupStartAndStopAtOnce(t *testing.T) {
	t.Parallel()

	for range 200 {
		var (
			g  drain.Group
			wg sync.WaitGroup
		)

		for _, name := range []string{"a", "b", "c"} {
			g.Add(name, time.Minute, func(ctx context.Context) error {
				<-ctx.Done()

				return ctx.Err()
			})
		}

		ctx, cancel := context.WithCancel(t.Context())

		wg.Go(cancel)
		wg.Go(func() {
			if err := g.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		wg.Wait()
	}
}

func TestAddRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()

	ran := &drain.Group{}
	if err := ran.Run(t.Context()); err != nil {
		t.Fatal(err)
	}

	cases := map[string]func(){
		"no name":  func() { new(drain.Group).Add("", time.Second, quick) },
		"no grace": func() { new(drain.Group).Add("a", 0, quick) },
		"no run":   func() { new(drain.Group).Add("a", time.Second, nil) },
		"too late": func() { ran.Add("a", time.Second, quick) },
	}
	for name, add := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			defer func() {
				if text, _ := recover().(string); !strings.HasPrefix(text, "bug: ") {
					t.Errorf("it panics with %q", text)
				}
			}()

			add()
		})
	}
}
