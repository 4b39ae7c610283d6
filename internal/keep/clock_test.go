package keep_test

import (
	"testing"
	"time"

	"importerd/internal/job"
	"importerd/internal/keep"
)

func TestRemovesNothingInTheFirstHour(t *testing.T) {
	bubble(t, year, func(r *rig) {
		rec := r.made("a", job.Done, 31*day)
		r.logged(job.NewID(), 10, 8*day)
		r.start()
		r.pass(time.Hour - time.Second)
		r.order()
		r.knows(rec)
		r.pass(time.Second)
		r.knows()
		r.stops()
	})
}

func TestLooksEachTenMinutes(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.made("a", job.Done, 30*day-65*time.Minute)
		r.start()
		r.pass(69 * time.Minute)
		r.stays("done/a")
		r.pass(2 * time.Minute)
		r.gone("done/a")
		r.stops()
	})
}

func TestRemovesNothingAfterAJumpOfTheClock(t *testing.T) {
	for name, by := range map[string]time.Duration{
		"forwards": 2 * time.Minute, "backwards": -2 * time.Minute,
		"years": 20 * year, "years back": -100 * day, "for ever": 1 << 62,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, year, func(r *rig) {
				r.start()
				r.pass(90 * time.Minute)
				r.jump(by)
				rec := r.made("a", job.Done, 31*day)
				r.pass(10 * time.Minute)
				r.said(1, "clock has jumped")
				r.pass(50 * time.Minute)
				r.order()
				r.knows(rec)
				r.pass(20 * time.Minute)
				r.knows()
				r.said(1, "clock has jumped")
				r.stops()
			})
		})
	}
}

func TestJumpInTheFirstHourBeginsTheHourAnew(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.made("a", job.Done, 31*day)
		r.start()
		r.pass(50 * time.Minute)
		r.jump(time.Hour)
		r.pass(60 * time.Minute)
		r.stays("done/a")
		r.pass(20 * time.Minute)
		r.gone("done/a")
		r.stops()
	})
}

func TestJumpBetweenTwoBatches(t *testing.T) {
	bubble(t, year, func(r *rig) {
		for i := range 150 {
			r.made(string(rune('a'+i%26))+time.Duration(i).String(), job.Done, 31*day)
		}

		records := 0
		r.call = func(what, _ string) error {
			if what == "records" {
				records++
				r.base = r.base.Add(time.Hour)
			}

			return nil
		}

		r.start()
		r.pass(61 * time.Minute)

		if records != 1 {
			r.Errorf("%d batches, want 1", records)
		}

		r.stops()
	})
}

func TestSlewIsNoJump(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.made("a", job.Done, 31*day)
		r.start()
		r.pass(30 * time.Minute)
		r.jump(50 * time.Second)
		r.pass(30 * time.Minute)
		r.gone("done/a")
		r.stops()
	})
}

func TestComesRound(t *testing.T) {
	bubble(t, year, func(r *rig) {
		r.made("a", job.Done, 31*day)
		r.call = func(what, _ string) error {
			if r.pulse.waiting.Load() != 1 {
				r.Errorf("%s without telling the watchdog", what)
			}

			return nil
		}

		r.start()
		r.pass(30 * time.Minute)

		if got := r.pulse.beats.Load(); got < 180 {
			r.Errorf("%d beats in half an hour, want one in ten seconds", got)
		}

		r.pass(time.Hour)
		r.stops()
		r.gone("done/a")

		if got := r.pulse.waiting.Load(); got != 0 {
			r.Errorf("still waits %d times", got)
		}
	})
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()

	good := keep.Config{Logs: time.Hour, Space: 1, BeatEvery: time.Second}
	if _, err := keep.New(good, keep.Deps{}); err != nil {
		t.Error(err)
	}

	for name, spoil := range map[string]func(c *keep.Config){
		"done": func(c *keep.Config) { c.Done = -1 }, "failed": func(c *keep.Config) { c.Failed = -1 },
		"logs": func(c *keep.Config) { c.Logs = 0 }, "space": func(c *keep.Config) { c.Space = 0 },
		"beat": func(c *keep.Config) { c.BeatEvery = 0 },
	} {
		bad := good
		spoil(&bad)

		if _, err := keep.New(bad, keep.Deps{}); err == nil {
			t.Errorf("%s: took %+v", name, bad)
		}
	}
}
