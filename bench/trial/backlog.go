package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"importerd/bench/stage"
)

// look is how often a trial looks for the end: often enough for half a second of
// work, and too seldom to be felt by those who work.
const look = 2 * time.Millisecond

// Backlog lets the contender handle the files of a set that lie there before it
// is started.
func Backlog(ctx context.Context, c Contender, p Place, set *stage.Set) (Sample, error) {
	if err := prepare(p); err != nil {
		return Sample{}, err
	}

	if err := set.Lend(p.Inbox()); err != nil {
		return Sample{}, err
	}

	s, err := backlog(ctx, c, p, set.Files())

	back := p.Inbox()
	if c.Moves {
		back = p.Done()
	}

	return s, errors.Join(err, set.TakeBack(back))
}

// prepare makes the place empty.
func prepare(p Place) error {
	if p.Profile != "" {
		if err := os.MkdirAll(p.Profile, 0o755); err != nil {
			return fmt.Errorf("make place: %w", err)
		}
	}

	for _, dir := range []string{p.Dir, p.Logs} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("clear place: %w", err)
		}

		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make place: %w", err)
		}
	}

	if err := os.Remove(p.Stamps); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("clear place: %w", err)
	}

	return nil
}

func backlog(ctx context.Context, c Contender, p Place, files int) (Sample, error) {
	s := Sample{Contender: c.Name, Files: files, Missed: -1, Twice: -1}
	before := spent()
	began, clock := time.Now(), stage.Clock()

	g, err := start(ctx, c, p)
	if err != nil {
		return s, err
	}

	s.Memory = g.await(ctx, func() bool { return g.log != nil && g.log.done >= files })

	s.Seconds = time.Since(began).Seconds()
	if g.log != nil {
		s.Working = time.Since(g.log.ready).Seconds()
		s.Memory = g.memory()
	}

	if c.Tells && p.Profile != "" {
		g.profile(ctx, p.Profile)
	}

	if err := g.finish(c, p, true); err != nil {
		return s, err
	}

	if s.CPU = spent() - before; c.Leaves {
		s.CPU, s.Memory = 0, 0
	}

	return s, s.check(c, p, g, clock)
}

// await waits until the programs have ended or done holds, and returns the
// highest memory that it saw on its way.
func (g *group) await(ctx context.Context, done func() bool) float64 {
	ticks := time.NewTicker(look)
	defer ticks.Stop()

	most := 0.0

	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return most
		case <-g.ended:
			return most
		case <-ticks.C:
		}

		if n%16 == 0 && g.log == nil {
			most = max(most, g.memory())
		}

		if g.log != nil {
			g.log.look()
		}

		if done() {
			return most
		}
	}
}

// finish ends the programs, if they have not, and tells what went wrong.
func (g *group) finish(c Contender, p Place, ended bool) error {
	err := g.stop()

	if g.log != nil {
		g.log.look()
		g.log.close()

		if g.err != nil && g.alone {
			return fmt.Errorf("%s: %w: %s", c.Name, g.err, g.log.tail())
		}
	}

	if err == nil && g.err != nil && ended && c.Ends {
		err = g.err
	}

	if err != nil {
		return fmt.Errorf("%s: %w (see %s)", c.Name, err, p.Logs)
	}

	return nil
}

// check counts what was missed and what was done twice, as far as the contender
// lets it be seen.
func (s *Sample) check(c Contender, p Place, g *group, began int64) error {
	if c.Moves {
		n, err := stage.Count(p.Done())
		if err != nil {
			return err
		}

		s.Missed = s.Files - n
	}

	if g.log != nil {
		s.Twice = g.log.done - s.Files + max(0, s.Missed)
	}

	if !c.Stamps {
		return nil
	}

	all, err := readStamps(p.Stamps)
	if err != nil {
		return err
	}

	s.Missed, s.Twice = s.Files-len(all), all.twice()
	s.First = float64(all.first()-began) / 1e9

	return nil
}
