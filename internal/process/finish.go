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
// that has gathered at a time.
type finisher struct {
	pool   *Pool
	cutOff context.CancelFunc
	stuck  []*unit // what the disk would not take yet
	told   []*unit // written and told, but the journal does not know it yet: it learns it with the next group
	log    zerolog.Logger
	sheaf  sheaf // of log
	tries  int   // in a row that something was stuck
	spent  bool  // the reserve was given up and is not whole again
	lonely bool  // what was told is to be confirmed although there is no group to do it with
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
		alone.Reset(f.nextConfirm())
	}
}

// round finishes what there is. over says that there will be no other try for what is
// stuck then.
func (f *finisher) round(over bool) error {
	f.lonely = f.lonely || over || f.pool.door.closing.Load()
	err := f.group()
	f.lonely = false

	if len(f.stuck)+len(f.told) > 0 && over {
		err = errors.Join(err, f.abandon())
	}

	return err
}

// stop is done when work is, as far as that concerns anything.
func (f *finisher) stop(work context.Context) <-chan struct{} {
	if len(f.stuck)+len(f.told) == 0 {
		return nil
	}

	return work.Done()
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

// group writes and tells all that it can of what is stuck.
func (f *finisher) group() error {
	if f.lost {
		f.stuck = nil

		return nil
	}

	f.pool.deps.FinishPulse.Waiting()
	defer f.pool.deps.FinishPulse.Back()

	ended, err := f.write(f.stuck)
	if errors.Is(err, job.ErrUntrusted) {
		return f.lose(err)
	}

	f.leave(ended)

	f.tell(ended)

	f.own()

	f.told = append(f.told, ended...)

	var confirmErr error

	if f.lonely || f.tries > 0 {
		if confirmErr = f.confirm(); errors.Is(confirmErr, job.ErrUntrusted) {
			return f.lose(confirmErr)
		}
	}

	f.note(errors.Join(err, confirmErr))

	return nil
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

	f.stuck = slices.DeleteFunc(f.stuck, func(u *unit) bool { return slices.Contains(ended, u) })
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
	f.lost, f.stuck, f.told = true, nil, nil
	f.pool.post(func() { f.pool.lose(err) })
	f.cutOff()

	return err
}

// abandon leaves what is stuck for the next start.
func (f *finisher) abandon() error {
	for _, u := range f.stuck {
		f.pool.line(f.pool.deps.Log.Error(), &u.rec).Msg("outcome not written")
	}

	p, units := f.pool, append(f.stuck, f.told...)
	f.stuck, f.told = nil, nil

	p.post(func() { p.state.finishing -= len(units) })

	return fmt.Errorf("%w: %d in processing/: %w", errAbandoned, len(units), job.ErrDisk)
}
