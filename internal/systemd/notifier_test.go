package systemd

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestPhasesAreToldInOrderAndOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, _ := newNotifier(sv, 0)
		stop := run(t, n)

		n.Reloading() // not during the start
		synctest.Wait()
		sv.want(t)

		n.Ready()
		n.Ready()
		synctest.Wait()
		sv.want(t, "READY=1")

		n.Reloading()
		n.Reloading()
		synctest.Wait()

		got := sv.take()
		if len(got) != 1 || !strings.HasPrefix(got[0], "RELOADING=1\nMONOTONIC_USEC=") || strings.HasSuffix(got[0], "\n") {
			t.Errorf("the reload was told as %q", got)
		}

		n.Ready()
		synctest.Wait()
		sv.want(t, "READY=1")

		n.Stopping()
		n.Stopping()
		n.Ready()
		n.Reloading()
		synctest.Wait()
		sv.want(t, "STOPPING=1")

		stop()
		sv.want(t)
	})
}

func TestWhatIsLeftIsToldAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, _ := newNotifier(sv, 0)
		n.Ready()
		n.Status("one")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()

		if err := n.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}

		// Run may have noticed the calls before the end; then the rest follows.
		sv.want(t, "READY=1", "STATUS=one")
	})
}

func TestStatusWithinARestIsToldAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, _ := newNotifier(sv, 0)
		stop := run(t, n)

		n.Status("one")
		synctest.Wait()
		n.Status("two")
		n.Stopping()
		stop()
		sv.want(t, "STATUS=one", "STOPPING=1", "STATUS=two")
	})
}

func TestOnlyTheLatestStatusIsToldAndOncePerSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, _ := newNotifier(sv, 0)
		stop := run(t, n)

		n.Status("first")
		synctest.Wait()
		sv.want(t, "STATUS=first") // at once

		for range 99 {
			n.Status("other")
			n.Status("last")
			<-time.After(10 * time.Millisecond)
		}

		sv.want(t)
		<-time.After(20 * time.Millisecond)
		sv.want(t, "STATUS=last")

		// There and back within the rest is no change.
		n.Status("other")
		n.Status("last")
		<-time.After(time.Hour)
		sv.want(t)

		n.Status("")
		synctest.Wait()
		sv.want(t, "STATUS=")

		for range 600 {
			n.Status(time.Now().String())
			<-time.After(100 * time.Millisecond)
		}

		if got := len(sv.take()); got < 59 || got > 61 {
			t.Errorf("%d statuses in a minute, want about 60", got)
		}

		stop()
	})
}

func TestStatusIsOneBoundedLine(t *testing.T) {
	t.Parallel()

	cases := map[string]string{
		"3 running":                    "3 running",
		"a\nMAINPID=1\r\tb":            "a MAINPID=1  b",
		"bad \xff byte":                "bad \uFFFD byte",
		strings.Repeat("ü", 600):       strings.Repeat("ü", 512),
		"." + strings.Repeat("ü", 600): "." + strings.Repeat("ü", 511),
	}
	for text, want := range cases {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestBusyExtendsEachSecondUntilItIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const extend = "EXTEND_TIMEOUT_USEC=5000000"

		sv := &supervisor{}
		n, _ := newNotifier(sv, 0)
		stop := run(t, n)

		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second+time.Second/2)
		defer cancel()

		n.Busy(ctx)
		synctest.Wait()
		sv.want(t, extend) // at once

		// Status and extension share a datagram.
		n.Status("draining")
		<-time.After(time.Second)
		synctest.Wait()
		sv.want(t, "STATUS=draining\n"+extend)

		<-time.After(time.Hour)

		if got := sv.count(extend); got != 8 {
			t.Errorf("%d more extensions, want 8", got)
		}

		n.Busy(ctx)
		synctest.Wait()
		sv.want(t)
		stop()
	})
}

func TestSeveralMayBeBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, _ := newNotifier(sv, 0)
		stop := run(t, n)

		for _, limit := range []time.Duration{time.Second, 10 * time.Second, 2 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), limit+time.Second/2)
			defer cancel()
			n.Busy(ctx)
		}

		<-time.After(time.Minute)

		if got := sv.count("EXTEND_TIMEOUT_USEC=5000000"); got != 11 {
			t.Errorf("%d extensions, want 11", got)
		}

		stop()
	})
}

func TestWhatFailedIsTriedAgainAndLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{deaf: true}
		n, log := newNotifier(sv, 0)
		stop := run(t, n)

		n.Ready()

		for range 100 {
			n.Status(time.Now().String())
			<-time.After(time.Second / 2)
		}

		n.Status("up")
		synctest.Wait()
		sv.want(t)

		if got := log.count("supervisor cannot be told"); got != 1 {
			t.Errorf("%d lines in the log, want 1", got)
		}

		if sv.tries < 49 || sv.tries > 51 {
			t.Errorf("%d tries in 50 seconds", sv.tries)
		}

		sv.setDeaf(false)
		<-time.After(time.Second)
		synctest.Wait()
		sv.want(t, "READY=1", "STATUS=up")
		stop()
	})
}

func TestQueueStaysShortWhileNobodyReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{deaf: true}
		n, _ := newNotifier(sv, 0)
		stop := run(t, n)

		for range 1000 {
			n.Ready()
			n.Reloading()
			synctest.Wait()
		}

		n.Ready()
		n.Stopping()
		<-time.After(time.Second)
		sv.setDeaf(false)
		<-time.After(time.Second)
		synctest.Wait()

		got := sv.take()
		if len(got) != 4 || got[0] != "READY=1" || !strings.HasPrefix(got[1], "RELOADING=1\n") ||
			got[2] != "READY=1" || got[3] != "STOPPING=1" {
			t.Errorf("the supervisor was told %q", got)
		}

		stop()
	})
}

func TestWithoutSupervisorNothingHappens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &logbook{}
		n := New(zerolog.New(log), Env{Watchdog: time.Second})
		stop := run(t, n)

		n.Ready()
		n.Reloading()
		n.Status("text")
		n.Busy(t.Context())
		n.Watchdog().Pulse("loop")
		<-time.After(time.Hour)
		n.Stopping()
		stop()

		if got := n.Watchdog().Interval(); got != 10*time.Second {
			t.Errorf("the interval is %s, want 10s", got)
		}

		if log.count("") != 1 { // Count("") is runes plus one
			t.Errorf("the log is not empty")
		}
	})
}

func TestRunOnce(t *testing.T) {
	t.Parallel()

	for _, socket := range []string{"", "@nobody"} {
		n := New(zerolog.Nop(), Env{NotifySocket: socket})
		n.send = (&supervisor{}).send
		stop := run(t, n)
		stop()
		stopAgain := func() error { return n.Run(t.Context()) }

		if err := stopAgain(); !errors.Is(err, ErrRan) {
			t.Errorf("Run after the stop: %v", err)
		}
	}
}

func TestCallsWithoutRunDoNotBlock(t *testing.T) {
	t.Parallel()

	n, _ := newNotifier(&supervisor{}, time.Minute)

	for range 1000 {
		n.Ready()
		n.Reloading()
		n.Status("text")
		n.Busy(t.Context())
	}
}

func TestStartAndStopAtOnce(t *testing.T) {
	t.Parallel()

	for range 200 {
		var wg sync.WaitGroup

		n, _ := newNotifier(&supervisor{}, time.Minute)
		ctx, cancel := context.WithCancel(t.Context())

		wg.Go(cancel)
		wg.Go(n.Ready)
		wg.Go(n.Stopping)
		wg.Go(n.Reloading)
		wg.Go(func() { n.Status("text") })
		wg.Go(func() { n.Busy(ctx) })
		wg.Go(func() {
			if err := n.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		wg.Wait()
	}
}
