package systemd

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const beat = "WATCHDOG=1"

// loop is a loop of the daemon that beats as often as it should, until stopped.
func loop(d *Watchdog, p *Pulse) (stop func()) {
	ticker := time.NewTicker(d.Interval())
	end := make(chan struct{})

	var wg sync.WaitGroup

	wg.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				p.Beat()
			}
		}
	})

	return func() {
		close(end)
		wg.Wait()
		ticker.Stop()
	}
}

func TestWatchdogIsFedWhileAllLoopsComeRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, log := newNotifier(sv, 30*time.Second)
		d := n.Watchdog()
		stop := run(t, n)

		if got := d.Interval(); got != 5*time.Second {
			t.Errorf("the interval is %s, want 5s", got)
		}

		one, two := d.Pulse("one"), d.Pulse("two")
		stopOne, stopTwo := loop(d, one), loop(d, two)

		<-time.After(10 * time.Minute)
		synctest.Wait()

		if got := sv.count(beat); got != 60 {
			t.Errorf("%d beats in ten minutes, want 60", got)
		}

		// One loop hangs, the other goes on.
		stopOne()
		<-time.After(10 * time.Second) // it may have come round in this turn
		synctest.Wait()
		sv.take()
		<-time.After(10 * time.Minute)
		synctest.Wait()

		if got := sv.count(beat); got != 0 {
			t.Errorf("%d beats while a loop hangs", got)
		}

		if got := log.count(`"loop":"one"`); got != 1 {
			t.Errorf("%d lines of the loop that hangs, want 1", got)
		}

		if got := log.count(`"loop":"two"`); got != 0 {
			t.Errorf("%d lines of the loop that does not", got)
		}

		// It comes round again.
		stopOne = loop(d, one)
		<-time.After(10 * time.Minute)
		synctest.Wait()

		if got := sv.count(beat); got < 59 {
			t.Errorf("%d beats in ten minutes, want 59 or 60", got)
		}

		if got := log.count("loop has come round again"); got != 1 {
			t.Errorf("%d lines that it came round, want 1", got)
		}

		stopOne()
		stopTwo()
		stop()
	})
}

func TestLoopThatWaitsForTheDiskIsAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, log := newNotifier(sv, 30*time.Second)
		p := n.Watchdog().Pulse("loop")
		stop := run(t, n)

		p.Waiting()
		p.Waiting()
		<-time.After(time.Hour)
		p.Back()
		<-time.After(time.Hour)
		synctest.Wait()

		if got := sv.count(beat); got != 720 {
			t.Errorf("%d beats, want 720", got)
		}

		// Back is a beat; after it silence is silence again.
		p.Back()
		<-time.After(time.Hour)
		synctest.Wait()

		if got := sv.count(beat); got != 1 || log.count("loop has not come round") != 1 {
			t.Errorf("%d beats after the disk, want 1", got)
		}

		stop()
	})
}

func TestLoopThatHasEndedIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, log := newNotifier(sv, 30*time.Second)
		d := n.Watchdog()
		lives, ended := d.Pulse("same name"), d.Pulse("same name")
		stopLoop := loop(d, lives)
		stop := run(t, n)

		ended.End()
		ended.End()
		ended.Beat()
		<-time.After(time.Hour)
		synctest.Wait()

		if got := sv.count(beat); got != 360 {
			t.Errorf("%d beats, want 360", got)
		}

		stopLoop()
		lives.End()
		<-time.After(time.Hour)
		synctest.Wait()

		if got := sv.count(beat); got != 0 || log.count("") != 1 {
			t.Errorf("%d beats without any loop", got)
		}

		stop()
	})
}

func TestWithoutLoopsTheWatchdogIsNotFed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, log := newNotifier(sv, 30*time.Second)
		stop := run(t, n)

		<-time.After(time.Hour)
		sv.want(t)

		if got := log.count("no loop to watch"); got != 1 {
			t.Errorf("%d lines in the log, want 1", got)
		}

		stop()
	})
}

func TestBeatThatCouldNotBeSentIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{deaf: true}
		n, _ := newNotifier(sv, 30*time.Second)
		p := n.Watchdog().Pulse("loop")
		stop := run(t, n)

		<-time.After(10*time.Second + time.Second/2)
		sv.setDeaf(false)
		<-time.After(time.Second)
		sv.want(t, beat)

		// A beat of an earlier turn is worth nothing once a loop hangs.
		p.Beat()
		sv.setDeaf(true)
		<-time.After(20 * time.Second)
		sv.setDeaf(false)
		<-time.After(time.Hour)
		sv.want(t)
		stop()
	})
}

func TestStatusDoesNotHoldUpTheBeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sv := &supervisor{}
		n, _ := newNotifier(sv, 3*time.Second)
		p := n.Watchdog().Pulse("loop")
		p.Waiting()

		stop := run(t, n)

		<-time.After(time.Second - time.Millisecond)
		n.Status("text")
		synctest.Wait()
		sv.want(t, "STATUS=text")
		<-time.After(time.Millisecond)
		synctest.Wait()
		sv.want(t, beat)
		n.Status("more")
		<-time.After(time.Second - time.Millisecond)
		synctest.Wait()
		sv.want(t, "STATUS=more")
		stop()
	})
}

func TestBackWithoutWaitingIsABug(t *testing.T) {
	t.Parallel()

	defer func() {
		if recover() == nil {
			t.Error("it does not panic")
		}
	}()

	new(Watchdog).Pulse("loop").Back()
}

// TestWatchdogNeverSeesNeither looks at the very moment when a loop comes back
// from the disk: it waits or has beaten, whichever is seen.
func TestWatchdogNeverSeesNeither(t *testing.T) {
	t.Parallel()

	for i := range 20_000 {
		var (
			wg   sync.WaitGroup
			turn atomic.Int64 // both sides go when it is 2, as near to each other as can be
		)

		p := new(Watchdog).Pulse("loop")
		p.Waiting()
		p.alive() // takes the beat away

		meet := func() {
			turn.Add(1)

			for spins := 0; turn.Load() < 2; spins++ {
				if spins > 1000 {
					runtime.Gosched() // there may be one processor only
				}
			}
		}

		wg.Go(func() {
			meet()
			p.Back()
		})
		meet()

		for range i % 64 {
			turn.Load() // shifts the moment a little
		}

		if !p.alive() {
			t.Fatal("the loop looked dead")
		}

		wg.Wait()
	}
}

func BenchmarkBeat(b *testing.B) {
	p := new(Watchdog).Pulse("loop")
	for b.Loop() {
		p.Beat()
	}
}
