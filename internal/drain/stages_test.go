package drain_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"importerd/internal/drain"
)

// isDone says whether c is closed, after everything that can happen at this
// moment has happened. Only within synctest.
func isDone(c <-chan struct{}) bool {
	synctest.Wait()

	select {
	case <-c:
		return true
	default:
		return false
	}
}

func wantDone(t *testing.T, what string, c <-chan struct{}, want bool) {
	t.Helper()

	if got := isDone(c); got != want {
		t.Errorf("%s is done: %t, want %t", what, got, want)
	}
}

func wantCause(t *testing.T, ctx context.Context, want error) {
	t.Helper()

	if got := context.Cause(ctx); !errors.Is(got, want) {
		t.Errorf("the cause is %v, want %v", got, want)
	}
}

func TestSignalsGoThroughTheStages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := drain.New(t.Context())
		work, cancel := s.Work(within(time.Hour))
		defer cancel()

		steps := []struct {
			stage                drain.Stage
			intake, work, killed bool
		}{
			{drain.Draining, true, false, false},
			{drain.CutOff, true, true, false},
			{drain.Killing, true, true, true},
			{drain.Killing, true, true, true},
		}

		wantDone(t, "intake", s.Intake().Done(), false)

		for _, step := range steps {
			if got := s.Signal(); got != step.stage {
				t.Errorf("Signal returns %q, want %q", got, step.stage)
			}

			wantDone(t, "intake", s.Intake().Done(), step.intake)
			wantDone(t, "work", work.Done(), step.work)
			wantDone(t, "killed", s.Killed(), step.killed)
		}

		wantCause(t, work, drain.ErrCutOff)
	})
}

func TestEachWorkHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := drain.New(t.Context())
		short, cancelShort := s.Work(within(time.Second))
		defer cancelShort()
		long, cancelLong := s.Work(within(time.Minute))
		defer cancelLong()

		<-time.After(time.Hour) // the limit does not count before the drain
		wantDone(t, "short", short.Done(), false)

		s.Signal()

		<-time.After(time.Second - 1)
		wantDone(t, "short", short.Done(), false)
		<-time.After(1)
		wantDone(t, "short", short.Done(), true)
		wantCause(t, short, drain.ErrLimit)

		<-time.After(59*time.Second - 1)
		wantDone(t, "long", long.Done(), false)
		<-time.After(1)
		wantDone(t, "long", long.Done(), true)
		wantCause(t, long, drain.ErrLimit)
	})
}

func TestWorkBegunDuringTheDrainCountsFromItsBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := drain.New(t.Context())
		s.Signal()
		<-time.After(40 * time.Second)

		work, cancel := s.Work(within(time.Minute))
		defer cancel()

		<-time.After(20*time.Second - 1)
		wantDone(t, "work", work.Done(), false)
		<-time.After(1)
		wantDone(t, "work", work.Done(), true)

		late, cancelLate := s.Work(within(time.Minute))
		defer cancelLate()
		wantDone(t, "late work", late.Done(), true)
		wantCause(t, late, drain.ErrLimit)
	})
}

func TestLimitOfZeroLeavesNoTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := drain.New(t.Context())
		work, cancel := s.Work(within(0))
		defer cancel()

		wantDone(t, "work", work.Done(), false)
		s.Signal()
		wantDone(t, "work", work.Done(), true)
		wantCause(t, work, drain.ErrLimit)
	})
}

func TestCancelledParentIsTheFirstSignal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancelParent := context.WithCancel(t.Context())
		s := drain.New(parent)
		work, cancel := s.Work(within(time.Minute))
		defer cancel()

		if _, begun := s.Began(); begun {
			t.Error("the drain has begun before anybody asked")
		}

		<-time.After(time.Hour)
		cancelParent()
		wantDone(t, "intake", s.Intake().Done(), true)
		wantDone(t, "work", work.Done(), false)

		at := time.Now()
		<-time.After(time.Second)

		if got, begun := s.Began(); !begun || !got.Equal(at) {
			t.Errorf("the drain began at %v (%t), want %v", got, begun, at)
		}

		if got := s.Signal(); got != drain.CutOff {
			t.Errorf("the signal after it leads to %q, want %q", got, drain.CutOff)
		}

		wantDone(t, "work", work.Done(), true)
		wantDone(t, "killed", s.Killed(), false)
	})
}

func TestCancelledParentIsNoticedWithoutAnyWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancelParent := context.WithCancel(t.Context())
		s := drain.New(parent)

		cancelParent()
		<-time.After(time.Minute)

		late, cancel := s.Work(within(time.Minute))
		defer cancel()
		wantDone(t, "late work", late.Done(), true)
		wantCause(t, late, drain.ErrLimit)
	})
}

func TestParentCancelledBeforehand(t *testing.T) {
	t.Parallel()

	parent, cancelParent := context.WithCancel(t.Context())
	cancelParent()

	s := drain.New(parent)
	if _, begun := s.Began(); !begun {
		t.Error("the drain has not begun")
	}

	work, cancel := s.Work(within(time.Hour))
	defer cancel()

	if err := work.Err(); err != nil {
		t.Errorf("work has ended: %v", err)
	}
}

func TestCancelledWorkLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := drain.New(t.Context())
		before, cancelBefore := s.Work(within(time.Minute))
		cancelBefore()
		cancelBefore()
		s.Signal()

		during, cancelDuring := s.Work(within(time.Minute))
		synctest.Wait()
		cancelDuring()
		<-time.After(time.Hour)
		wantCause(t, before, context.Canceled)
		wantCause(t, during, context.Canceled)
	})
}

func TestContextsCarryTheParentsValues(t *testing.T) {
	t.Parallel()

	type key struct{}

	s := drain.New(context.WithValue(t.Context(), key{}, "value"))
	work, cancel := s.Work(within(time.Minute))
	defer cancel()

	if s.Intake().Value(key{}) != "value" || work.Value(key{}) != "value" {
		t.Error("a value of the parent is lost")
	}
}

func TestSignalsFromEverywhere(t *testing.T) {
	t.Parallel()

	parent, cancelParent := context.WithCancel(t.Context())
	s := drain.New(parent)

	var wg sync.WaitGroup

	for range 8 {
		wg.Go(func() { s.Signal() })
		wg.Go(func() {
			ctx, cancel := s.Work(within(time.Hour))
			defer cancel()
			<-ctx.Done()
			s.Began()
		})
	}

	cancelParent()
	wg.Wait()
	<-s.Killed()
}

// within returns a limit that does not change.
func within(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func TestPartDrainsBeforeTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := drain.New(t.Context())
		part, other := s.Part(), s.Part()
		limit := time.Hour

		work, cancel := part.Work(func() time.Duration { return limit })
		defer cancel()
		others, cancelOthers := other.Work(within(time.Minute))
		defer cancelOthers()

		limit = time.Minute // as it is when the drain begins

		part.Drain()
		part.Drain()
		wantDone(t, "intake of the part", part.Intake().Done(), true)
		wantDone(t, "intake of the other", other.Intake().Done(), false)
		wantDone(t, "intake of all", s.Intake().Done(), false)

		<-time.After(40 * time.Second)
		s.Drain() // does not give the part any more time
		wantDone(t, "intake of the other", other.Intake().Done(), true)

		if _, begun := s.Began(); !begun {
			t.Error("the drain of all has not begun")
		}

		<-time.After(20*time.Second - 1)
		wantDone(t, "work of the part", work.Done(), false)
		<-time.After(1)
		wantDone(t, "work of the part", work.Done(), true)
		wantCause(t, work, drain.ErrLimit)
		wantDone(t, "work of the other", others.Done(), false)

		if got := s.Signal(); got != drain.CutOff { // the drain of its own was no signal, but the stage it led to is
			t.Errorf("the signal leads to %q", got)
		}

		wantDone(t, "work of the other", others.Done(), true)
		wantCause(t, others, drain.ErrCutOff)
		s.Signal()
		wantDone(t, "killed", part.Killed(), true)
	})
}
