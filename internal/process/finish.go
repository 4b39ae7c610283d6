package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"importerd/internal/job"

	"github.com/rs/zerolog"
)

// confirmAfter is how long what was told waits for a group with which the journal
// learns that. A single job so costs a transaction less while others follow it.
const confirmAfter = 5 * time.Millisecond

// errAbandoned says that an outcome could not be written before the end.
var errAbandoned = errors.New("outcomes could not be written before the end of the drain")

// finisher writes what became of jobs: the outcome into the journal, the file
// into its folder, the folders to the disk. Only then it tells. It takes all
// that has gathered at a time. What it writes survives its own death at once; to
// bring that to the disk costs as much for many as for one, and waits for more.
type finisher struct {
	pool   *Pool
	cutOff context.CancelFunc
	stuck  []*unit // what has come, and what the disk would not take yet
	noted  []*unit // their outcomes are written, but may not be on the disk yet, in the order of their numbers
	told   []*unit // written and told, but the journal does not know it yet: it learns it with the next group
	pace   rhythm  // of what is brought to the disk
	log    zerolog.Logger
	sheaf  sheaf // of log
	tries  int   // in a row that something was stuck
	spent  bool  // the reserve was given up and is not whole again
	lonely bool  // what was told is to be confirmed although there is no group to do it with
	hurry  bool  // no more comes: nothing waits for that
	lost   bool  // a flush has failed: nothing is written or told any more
}

func newFinisher(p *Pool, cutOff context.CancelFunc) *finisher {
	f := &finisher{pool: p, cutOff: cutOff, log: p.deps.Log, sheaf: sheaf{to: p.deps.LogTo}}
	if f.sheaf.to != nil {
		f.log = f.log.Output(&f.sheaf)
	}

	return f
}

// run finishes units until the loop closes the channel. What is still stuck
// when work is done is tried once more and then left for the next start.
func (f *finisher) run(work context.Context) error {
	defer f.pool.deps.FinishPulse.End()

	beat := time.NewTicker(f.pool.cfg().BeatEvery)
	defer beat.Stop()

	retry := time.NewTimer(idleWait)
	defer retry.Stop()

	settle := time.NewTimer(idleWait)
	defer settle.Stop()

	alone := time.NewTimer(idleWait)
	defer alone.Stop()

	var result error

	for {
		f.pool.deps.FinishPulse.Beat()

		select {
		case units, open := <-f.pool.toFinish:
			if !open {
				return result
			}

			f.stuck = append(f.stuck, units...)
		case <-retry.C:
		case <-settle.C:
		case <-alone.C: // no group has come
			f.lonely = true
		case <-f.stop(work):
		case <-beat.C:
			continue
		}

		if err := f.round(work.Err() != nil); err != nil {
			result = err
		}

		retry.Reset(f.nextTry())
		settle.Reset(f.nextSettle(time.Now()))
		alone.Reset(f.nextConfirm())
	}
}

// round finishes what there is. over says that there will be no other try for what is
// stuck then.
func (f *finisher) round(over bool) error {
	f.hurry = over || f.pool.door.closing.Load()
	f.lonely = f.lonely || f.hurry
	err := f.group()
	f.lonely = false

	if f.holds() && over {
		err = errors.Join(err, f.abandon())
	}

	return err
}

// holds says whether anything waits here.
func (f *finisher) holds() bool { return len(f.stuck)+len(f.noted)+len(f.told) > 0 }

// stop is done when work is, as far as that concerns anything.
func (f *finisher) stop(work context.Context) <-chan struct{} {
	if !f.holds() {
		return nil
	}

	return work.Done()
}

// nextSettle returns how long what is written waits to be brought to the disk.
func (f *finisher) nextSettle(now time.Time) time.Duration {
	switch {
	case len(f.noted) == 0:
		return idleWait
	case f.hurry, f.tries > 0, len(f.noted) >= gatherMost:
		return 0
	default:
		return f.pace.wait(now)
	}
}

// nextConfirm returns how long to wait for a group with which to confirm what was told.
func (f *finisher) nextConfirm() time.Duration {
	if len(f.told) == 0 || f.tries > 0 {
		return idleWait
	}

	return confirmAfter
}

// nextTry returns how long to wait before the disk is tried again.
func (f *finisher) nextTry() time.Duration {
	if f.tries == 0 && !f.spent {
		return idleWait
	}

	return Backoff{Min: diskWaitMin, Max: diskWaitMax}.Wait(f.tries)
}

// group writes what is stuck, and brings what is written to the disk and tells it if it
// is time for that.
func (f *finisher) group() error {
	if f.lost {
		f.stuck = nil

		return nil
	}

	f.pool.deps.FinishPulse.Waiting()
	defer f.pool.deps.FinishPulse.Back()

	trouble := f.record()

	if f.isDue(trouble) {
		trouble = errors.Join(trouble, f.settle())
	}

	f.own()

	if (f.lonely || f.tries > 0) && !errors.Is(trouble, job.ErrUntrusted) {
		trouble = errors.Join(trouble, f.confirm())
	}

	if errors.Is(trouble, job.ErrUntrusted) {
		return f.lose(trouble)
	}

	f.note(trouble)

	return nil
}

// isDue says whether what is written is to be brought to the disk now. In trouble nothing
// comes for which to wait.
func (f *finisher) isDue(trouble error) bool {
	switch {
	case len(f.noted) == 0, errors.Is(trouble, job.ErrUntrusted):
		return false
	default:
		return trouble != nil || f.nextSettle(time.Now()) <= 0
	}
}

// record writes the outcomes of what is stuck.
func (f *finisher) record() error {
	noted, err := f.jot(f.stuck)
	f.leave(noted)
	f.noted = append(f.noted, noted...)

	return err
}

// settle brings to the disk what is written, and tells it. What the disk does not take
// is stuck again.
func (f *finisher) settle() error {
	units := f.noted
	f.noted = nil

	ended, err := f.land(units)
	if errors.Is(err, job.ErrUntrusted) {
		return err
	}

	if len(ended) < len(units) {
		f.stuck = append(without(units, ended), f.stuck...)
	}

	f.tell(ended)
	f.told = append(f.told, ended...)
	f.pace.beat(time.Now(), len(units))

	return err
}

// tell says what became of jobs. All that is logged is written before it returns.
func (f *finisher) tell(units []*unit) {
	for _, u := range units {
		if !u.nothing && !u.undone {
			f.pool.tell(u, &f.log)
		}
	}

	f.sheaf.flush()
}

// leave takes those off that are not stuck.
func (f *finisher) leave(ended []*unit) {
	if len(ended) == len(f.stuck) {
		f.stuck = f.stuck[:0]

		return
	}

	f.stuck = without(f.stuck, ended)
}

// without returns units but for those that have ended.
func without(units, ended []*unit) []*unit {
	return slices.DeleteFunc(units, func(u *unit) bool { return slices.Contains(ended, u) })
}

// own owns up to what is stuck: those who follow a job see that its handler has
// ended.
func (f *finisher) own() {
	for _, u := range f.stuck {
		if u.stuck || u.at != "" || u.nothing {
			continue
		}

		u.stuck = true
		rec := u.rec
		rec.State = job.Committing
		f.pool.live.Store(rec.ID, Live{Committing: true})
		f.pool.deps.Teller.Changed(rec, nil)
	}
}

// confirm notes that what was told lies where the journal says. Until then the
// next start would tell it again.
func (f *finisher) confirm() error {
	if err := f.prepare(); err != nil {
		return err
	}

	if err := f.pool.recorded(f.pool.deps.Journal.Note, f.told); err != nil {
		return fmt.Errorf("note moves: %w", err)
	}

	f.confirmed()

	return nil
}

// prepare makes the records of those that were told what the journal is to learn.
func (f *finisher) prepare() error {
	for _, u := range f.told {
		if u.nothing {
			if err := f.pool.deps.Journal.Drop(u.rec.ID); err != nil {
				return fmt.Errorf("drop: %w", err)
			}
		}

		if !u.owed {
			u.rec.Moving = nil
		}
	}

	return nil
}

// confirmed lets go of those that were told, since the journal knows it.
func (f *finisher) confirmed() {
	units := f.told
	if len(units) == 0 {
		return
	}

	f.told = nil

	f.pool.report(units)
	f.pool.post(func() { f.pool.onFinished(units) })
}

// note remembers what the disk said; nil: it takes everything. At the first
// trouble the reserve is given up, so that at least the outcomes of what runs
// can be written; nothing is claimed until it is whole again.
func (f *finisher) note(trouble error) {
	p := f.pool

	if trouble == nil && f.spent {
		if trouble = p.deps.Reserve.FillReserve(); trouble == nil {
			f.spent = false
		}
	}

	if trouble == nil {
		f.tries = 0

		if p.trouble.Swap(nil) != nil {
			p.deps.Log.Info().Msg("disk takes outcomes again")
			p.post(func() {}) // the loop may claim again
		}

		return
	}

	f.tries++
	text := trouble.Error()

	if p.trouble.Swap(&text) == nil {
		p.deps.Log.Error().Err(trouble).Msg("disk refuses, outcomes wait")
	}

	if !f.spent {
		f.spent = true

		if err := p.deps.Reserve.SpendReserve(); err != nil {
			p.deps.Log.Error().Err(err).Msg("reserve not given up")
		}
	}
}

// lose ends all writing and telling: a flush has failed, and the next one
// would say that all is well and lie.
func (f *finisher) lose(err error) error {
	f.lost, f.stuck, f.noted, f.told = true, nil, nil, nil
	f.pool.post(func() { f.pool.lose(err) })
	f.cutOff()

	return err
}

// abandon leaves what is stuck for the next start.
func (f *finisher) abandon() error {
	for _, u := range f.stuck {
		f.pool.line(f.pool.deps.Log.Error(), &u.rec).Msg("outcome not written")
	}

	p, units := f.pool, slices.Concat(f.stuck, f.noted, f.told)
	f.stuck, f.noted, f.told = nil, nil, nil

	p.post(func() { p.state.finishing -= len(units) })

	return fmt.Errorf("%w: %d in processing/: %w", errAbandoned, len(units), job.ErrDisk)
}
