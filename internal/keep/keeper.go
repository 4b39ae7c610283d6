// Package keep removes what has been kept long enough: the files of jobs that
// have ended, with their results, notes, logs and records, and the logs of done
// jobs before that.
//
// What it removes is gone for good, so it believes nothing easily. It removes
// nothing in the first hour, nor in the hour after the clock has jumped. A file
// goes only if it is the one that the record knows, and only if no younger job
// has the same file: one that a person has moved back to the inbox is handled by
// a job of its own. All else of that name is left alone. The file goes first and
// the record last; whatever ends it in between, the next round finds the record
// again and goes on.
package keep

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"importerd/internal/job"
)

const (
	// every is how often it is looked for what may go.
	every = 10 * time.Minute
	// batch is how many jobs or logs are removed before the disk gets a rest.
	batch = 100
	// restFor is how many times as long as the work the rest is, and restMax the
	// longest.
	restFor = 4
	restMax = time.Second
	// maxStuck bounds the jobs that cannot be removed and are passed over.
	maxStuck = 1024
)

// errStop ends a round before its end, without being an error.
var errStop = errors.New("the round is over")

// Keeper removes what one spool has kept long enough.
type Keeper struct {
	next  atomic.Pointer[Config] // New and Change write, Run reads
	cfg   *Config                // of the round; nobody writes to it
	deps  Deps
	clock *clock
	round tally
	told  string // what was last said of things that could not be removed
}

// tally counts what one round has done.
type tally struct {
	jobs, logs int
	left       int // files and results that are others than the record's
	stuck      int // jobs and logs that could not be removed
	example    string
	err        error // of the example
}

// New returns a Keeper. It does nothing before Run.
func New(cfg Config, deps Deps) (*Keeper, error) {
	k := &Keeper{deps: deps}

	return k, k.Change(cfg)
}

// Change gives the keeper other settings. A round under way goes no further than
// the batch at which it is, and the next one comes when it is due. It may be called
// at any time; cfg.BeatEvery must stay as it is.
func (k *Keeper) Change(cfg Config) error {
	if cfg.Done < 0 || cfg.Failed < 0 || cfg.Logs <= 0 || cfg.Space <= 0 || cfg.BeatEvery <= 0 {
		return fmt.Errorf("bug: keep %+v", cfg)
	}

	if before := k.next.Load(); before == nil || *before != cfg {
		k.next.Store(&cfg)
	}

	return nil
}

// Run removes what may go, now and then, until ctx is done. It returns nil
// then, and an error that wraps job.ErrUntrusted if a flush has failed.
func (k *Keeper) Run(ctx context.Context) error {
	k.clock = newClock(k.deps.Wall)
	k.cfg = k.next.Load()

	beat := time.NewTicker(k.cfg.BeatEvery)
	defer beat.Stop()

	next := time.NewTimer(calm)
	defer next.Stop()

	for {
		k.deps.Pulse.Beat()

		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
		case <-next.C:
			if err := k.all(ctx); errors.Is(err, job.ErrUntrusted) {
				return err
			}

			next.Reset(every)
		}
	}
}

// all removes all that may go.
func (k *Keeper) all(ctx context.Context) error {
	k.round, k.cfg = tally{}, k.next.Load()

	var err error

	for _, remove := range []func(context.Context) error{k.ended, k.logs} {
		if err = remove(ctx); err != nil {
			break
		}
	}

	if err != nil && !errors.Is(err, errStop) && ctx.Err() == nil {
		k.stick("", err)
	}

	k.tell()

	return err
}

// tell says what the round has done. What could not be removed is said once.
func (k *Keeper) tell() {
	r := &k.round

	if r.jobs+r.logs > 0 {
		k.deps.Log.Info().Int("jobs", r.jobs).Int("logs", r.logs).Int("others", r.left).
			Msg("removed what was kept long enough")
	}

	text := ""
	if r.err != nil {
		text = fmt.Sprintf("%d: %v", r.stuck, r.err)
	}

	if text != "" && text != k.told {
		k.deps.Log.Warn().Int("count", r.stuck).Str("example", r.example).Err(r.err).
			Msg("not removed, tried again later")
	}

	k.told = text
}

// stick counts something that cannot be removed.
func (k *Keeper) stick(name string, err error) {
	r := &k.round
	r.stuck++

	if r.err == nil {
		r.example, r.err = job.Show(name), err
	}
}

// now returns the time before which all that is kept for age has ended; errStop:
// the time cannot be believed, there are other settings, or ctx is done.
func (k *Keeper) now(ctx context.Context) (time.Time, error) {
	now, sure, jumped := k.clock.now()

	switch {
	case ctx.Err() != nil, k.cfg != k.next.Load():
		return now, errStop
	case jumped != 0:
		k.deps.Log.Warn().Str("by", jumped.Round(time.Second).String()).Str("wait", calm.String()).
			Msg("clock has jumped, nothing is removed for a while")
	}

	if !sure {
		return now, errStop
	}

	return now, nil
}

// disk does what may wait for the disk, then gives it a rest.
func (k *Keeper) disk(ctx context.Context, do func() error) error {
	began := time.Now()

	k.deps.Pulse.Waiting()
	err := do()
	k.deps.Pulse.Back()

	if err != nil {
		return err
	}

	rest := time.NewTimer(min(restFor*time.Since(began), restMax, k.cfg.BeatEvery))
	defer rest.Stop()

	select {
	case <-rest.C:
		return nil
	case <-ctx.Done():
		return errStop
	}
}
