package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"importerd/internal/job"
)

// clocked is a rig in a bubble of synctest, where only the files are real. What
// the kernel says of the file a.csv is in answer.
type clocked struct {
	*rig
	fake   *fakeSource
	began  time.Time
	probes []time.Duration // when a.csv was probed, since the start
	answer func() (job.File, error)
}

// bubble runs test in a bubble. The file a.csv lies in the inbox; unless the
// test says otherwise it is whole, and nothing happened to it for a minute.
func bubble(t *testing.T, test func(c *clocked), change ...func(*Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := newFake()
		c := &clocked{fake: fake, began: time.Now()}
		c.rig = newRig(t, append([]func(*Options){func(o *Options) {
			o.Settle, o.Linger, o.Sweep, o.newSource = 2*time.Second, 250*time.Millisecond, never, fake.make
		}}, change...)...)
		c.write(c.in("a.csv"), "1")

		whole := c.file(-time.Minute, -2*time.Minute)
		c.answer = func() (job.File, error) { return whole, nil }
		c.inbox.bend = func(job.File, error) (job.File, error) {
			c.probes = append(c.probes, time.Since(c.began))

			return c.answer()
		}

		test(c)
	})
}

// file is a.csv with these times, counted from the start.
func (c *clocked) file(ctime, mtime time.Duration) job.File {
	return job.File{Name: "a.csv", Ino: 1, Size: 1, Ctime: c.began.Add(ctime), Mtime: c.began.Add(mtime)}
}

// says sets what the kernel says of a.csv from now on.
func (c *clocked) says(f job.File, err error) {
	c.inbox.set(func() { c.answer = func() (job.File, error) { return f, err } })
}

// past lets the time of the bubble go on until so long after the start.
func (c *clocked) past(d time.Duration) {
	<-time.After(time.Until(c.began.Add(d)))
	synctest.Wait()
}

func (c *clocked) start() *clocked {
	c.t.Helper()
	c.rig.start()

	return c
}

// comes fails the test unless a.csv is handed over at just that time after the
// start.
func (c *clocked) comes(at time.Duration) {
	c.t.Helper()
	c.want("a.csv")

	if now := time.Since(c.began); now != at {
		c.t.Errorf("it came after %v, not %v", now, at)
	}
}

func TestBusyFileIsLookedAtMoreAndMoreRarely(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(c.file(0, 0), job.ErrOpen)
		c.start()
		c.past(4 * time.Second)

		want := []int{0, 50, 150, 350, 750, 1550, 2550, 3550}
		if len(c.probes) != len(want) {
			t.Fatalf("it was probed at %v", c.probes)
		}

		for i, ms := range want {
			if c.probes[i] != time.Duration(ms)*time.Millisecond {
				t.Errorf("it was probed at %v", c.probes)
			}
		}

		// It was seen being written: it lingers from the first look that finds it closed.
		c.says(c.file(0, 0), nil)
		c.comes(4550*time.Millisecond + 250*time.Millisecond)
	})
}

// A tool that sets times when it has written will close soon.
func TestTouchedBusyFileIsLookedAtSoon(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(c.file(0, 0), job.ErrOpen)
		c.start()
		c.past(3 * time.Second) // next look: 3.55 s
		c.says(c.file(0, 0), nil)
		c.fake.tell(fsnotify.Chmod, "a.csv")
		c.comes(3050*time.Millisecond + 250*time.Millisecond)
	})
}

// Nobody knows what a writer did who had the file open for a moment.
func TestLingerBeginsAnewWithTheClosing(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(c.file(0, 0), nil)
		c.start().past(100 * time.Millisecond)
		c.says(c.file(0, 0), job.ErrOpen)
		c.past(260 * time.Millisecond) // seen at 250 ms
		c.says(c.file(0, 0), nil)
		c.comes(300*time.Millisecond + 250*time.Millisecond)
	})
}

func TestLingerBeginsAnewWithEachChange(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.start().want("a.csv")
		c.got = nil

		for i := range 5 { // each 200 ms, so never quiet for 250 ms
			at := time.Duration(i+1) * 200 * time.Millisecond
			c.past(at)
			c.says(c.file(at, at), nil)
			c.fake.tell(fsnotify.Write, "a.csv")
		}

		c.comes(1000*time.Millisecond + busyMin + 250*time.Millisecond)
	})
}

// Quiet time by our own clock: who believed the file's times would take it at once.
func TestSettleIgnoresTheFilesTimes(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(c.file(-never, -2*never), job.ErrNoLease)
		c.start().comes(2 * time.Second)
	})
}

func TestSettleBeginsAnewWhenTheCtimeChanges(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(c.file(-never, -2*never), job.ErrNoLease)
		c.start().past(1500 * time.Millisecond)
		c.says(c.file(-never+1, -2*never), job.ErrNoLease) // cp -p: the mtime is the same
		c.comes(4 * time.Second)
	})
}

func TestModeSettle(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.start().comes(2 * time.Second)
	}, func(o *Options) { o.Ready = ModeSettle })
}

// The clock was set back: the file's times lie in the future.
func TestFutureTimes(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(c.file(24*time.Hour, 24*time.Hour), nil)
		c.start().comes(250 * time.Millisecond)
	})
}

func TestFreshFileFoundBySweepLingers(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(c.file(-tick, -time.Hour), nil)
		c.start().comes(250 * time.Millisecond)
	})
}

// The event that a name is new tells that the fresh file was not written in place.
func TestEventOfAFileFoundBySweep(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(c.file(0, -time.Hour), nil)
		c.start().past(100 * time.Millisecond)
		c.fake.tell(fsnotify.Create, "a.csv")
		c.comes(100 * time.Millisecond)
	})
}

func TestNewNameWithOneTimeWaitsForTheWrite(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(job.File{}, job.ErrNotRegular)
		c.start().past(time.Second)
		c.says(c.file(time.Second, time.Second), nil)
		c.fake.tell(fsnotify.Create, "a.csv")
		c.comes(time.Second + glance)
	})
}

func TestNewNameThatIsWritten(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.says(job.File{}, job.ErrNotRegular)
		c.start().past(time.Second)
		c.says(c.file(time.Second, time.Second), nil)
		c.fake.tell(fsnotify.Create, "a.csv")
		c.past(time.Second + 2*time.Millisecond)
		c.fake.tell(fsnotify.Write, "a.csv")
		c.comes(time.Second + 250*time.Millisecond)
	})
}

func TestBeat(t *testing.T) {
	t.Parallel()

	var beats []time.Time

	bubble(t, func(c *clocked) {
		c.start().past(10 * time.Second)
		must(t, c.stop())

		for i := 1; i < len(beats); i++ {
			if pause := beats[i].Sub(beats[i-1]); pause > time.Second {
				t.Errorf("between two beats were %v", pause)
			}
		}

		if len(beats) < 10 {
			t.Errorf("there were %d beats", len(beats))
		}
	}, func(o *Options) {
		o.BeatEvery = time.Second
		o.Beat = func() { beats = append(beats, time.Now()) }
	})
}

func TestPauseGrowsWithCost(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.inbox.bend = func(job.File, error) (job.File, error) {
			<-time.After(time.Second)

			return job.File{}, job.ErrUnreadable
		}
		c.start().past(21 * time.Second)

		if n := c.inbox.opened.Load(); n != 2 { // the first is the look before events are on
			t.Errorf("in 21 s there were %d sweeps", n)
		}

		c.past(23 * time.Second)

		if n := c.inbox.opened.Load(); n != 3 {
			t.Errorf("in 23 s there were %d sweeps", n)
		}
	}, func(o *Options) { o.Sweep = 100 * time.Millisecond })
}

// Wishes during a sweep are one, which waits for what the sweep cost in vain.
func TestWishesAreOne(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.inbox.bend = func(job.File, error) (job.File, error) {
			<-time.After(time.Second)

			return job.File{}, job.ErrUnreadable
		}
		c.start().past(1050 * time.Millisecond) // that before events are on has ended

		for range 10 {
			c.Sweep()
			c.past(time.Since(c.began) + 50*time.Millisecond)
		}

		c.past(2900 * time.Millisecond)

		if n := c.inbox.opened.Load(); n != 2 {
			t.Errorf("there were %d sweeps without a pause", n)
		}

		c.past(20 * time.Second)

		if n := c.inbox.opened.Load(); n != 3 {
			t.Errorf("there were %d sweeps", n)
		}
	})
}

func TestLook(t *testing.T) {
	t.Parallel()
	bubble(t, func(c *clocked) {
		c.start().want("a.csv")
		c.got = nil
		c.past(time.Second)
		c.Look("a.csv")
		c.comes(time.Second)
	})
}

// A directory that is idle costs nothing.
func TestIdle(t *testing.T) {
	t.Parallel()

	turns := 0

	bubble(t, func(c *clocked) {
		c.start().want("a.csv")
		c.past(time.Minute)
		must(t, c.stop())

		if turns > 10 {
			t.Errorf("in an idle minute there were %d turns", turns)
		}
	}, func(o *Options) { o.Beat = func() { turns++ } })
}
