package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// busyMin and busyMax bound the wait for a file that somebody still has open for writing
// when its handler is to be started.
const (
	busyMin = 50 * time.Millisecond
	busyMax = time.Second
)

// begin makes units ready for their attempts. They are recorded together, before the
// first handler runs. It returns those to which that has come about; why not to the
// others stands in them.
func (p *Pool) begin(units []*unit) (ready, others []*unit) {
	ready = make([]*unit, 0, len(units))

	for _, u := range units {
		err := p.prepare(u)
		if err != nil {
			u.again(u.rules.cfg.Backoff.Wait(1), fmt.Errorf("prepare attempt: %w", err))
		}

		if u.ready == nil {
			others = append(others, u)
		} else {
			ready = append(ready, u)
		}
	}

	err := p.recorded(p.deps.Journal.Note, ready)
	if err == nil {
		return ready, others
	}

	for _, u := range ready {
		u.unready()
		u.again(u.rules.cfg.Backoff.Wait(1), fmt.Errorf("prepare attempt: %w", err))
	}

	return nil, append(others, ready...)
}

// prepare makes one unit ready, or does not: why stands in the unit or is the error.
func (p *Pool) prepare(u *unit) error {
	if !u.inside {
		if u.err = p.fetch(u); u.err != nil {
			return nil
		}

		u.inside = true
	}

	if !p.fit(u) {
		return nil
	}

	return p.equip(u)
}

// dismiss gives units back to the loop whose attempts are over, or were not made.
func (p *Pool) dismiss(units ...*unit) {
	for _, u := range units {
		u.grip.end()
		u.grip.cancel(nil)
	}

	p.post(func() {
		for _, u := range units {
			p.onEnded(u)
		}
	})
}

// fetch moves the file of a deferred job back into processing/.
func (p *Pool) fetch(u *unit) error {
	move := job.Move{From: u.from, File: u.rec.File, To: job.ProcessingFolder, Name: u.rec.File, ID: u.rec.ID}
	u.rec.State, u.rec.Moving = job.Processing, &move

	if err := p.deps.Journal.Note(u.rec); err != nil {
		return err
	}

	name, err := p.deps.Folders.Move(move)
	if err != nil {
		return err
	}

	u.rec.File, u.rec.Moving = name, nil

	return nil
}

// fit says whether the handler may be started on the file. It looks at it once more now
// that nobody can open it by its old name, unless the kernel has kept writers from it.
func (p *Pool) fit(u *unit) bool {
	if u.guarded() {
		return true
	}

	f, err := p.deps.Folders.Probe(job.ProcessingFolder, u.rec.File)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.gone = true
		u.again(0, errors.New("the file is not in processing/ any more"))

		return false
	case errors.Is(err, job.ErrNotRegular):
		u.gone = true
		u.again(0, errors.Join(err, p.setAside(u.rec.File)))

		return false
	case errors.Is(err, job.ErrOpen):
		u.again(busyWait(u.rec.Busy), err)
		u.rec.Busy++

		return false
	case err != nil && !errors.Is(err, job.ErrNoLease):
		u.again(u.rules.cfg.Backoff.Widest(), err)

		return false
	}

	u.see(f)

	if u.flush {
		if err := p.deps.Folders.Flush(job.ProcessingFolder, f); err != nil {
			// A second flush would say that all is well and lie: a person must look.
			u.verdict, u.rec.Error = job.Rejected, err.Error()

			return false
		}
	}

	return true
}

// busyWait returns how long to wait for a file that is still open for writing:
// twice as long each time.
func busyWait(times int) time.Duration {
	return min(busyMin<<min(times, 16), busyMax)
}

// equip gathers what the attempt of a unit needs.
func (p *Pool) equip(u *unit) error {
	lock, release, err := p.lock(u)
	if err != nil {
		return err
	}

	results := ""
	if u.rules.cfg.Results {
		if results, err = p.deps.Results.MakeResults(u.rec.ID); err != nil {
			release()

			return err
		}
	}

	a := &attempt{unit: u, release: release, since: time.Now()}
	a.before = before{u.rec.StartedAt, u.rec.Exit, u.rec.Error, u.rec.Busy}
	a.Task = handler.Task{
		Path:    p.deps.Papers.Path(job.ProcessingFolder, u.rec.File),
		Log:     p.deps.Papers.LogPath(u.rec.ID),
		Results: results,
		Lock:    lock, Kill: p.deps.Kill,
		Report: a.report,
	}

	u.ready = a
	u.first = u.rec.StartedAt.IsZero()
	u.rec.Attempt++
	u.rec.StartedAt = a.since
	u.rec.Exit, u.rec.Error, u.rec.Busy = nil, "", 0

	return nil
}

// depart takes the attempt that was made ready for a unit that has got its slot: the
// handler is started now.
func (p *Pool) depart(u *unit) *attempt {
	a := u.ready
	u.ready = nil
	a.Context = u.grip.ctx
	a.Task.Job = u.rec

	if u.rules.cfg.Shared {
		a.Task.Started = func(int) { u.grip.begin(u.rules.cfg.Timeout) }
	} else {
		a.Task.Started = func(pid int) { p.noteProcess(&u.rec, a.Task.Lock, pid) }
		a.Task.Freeze = u.grip.freezer()
	}

	return a
}

// lock takes the lock of the unit's job, unless its handler has locks of its own.
// release gives it back.
func (p *Pool) lock(u *unit) (*os.File, func(), error) {
	if u.rules.cfg.Shared {
		return nil, func() {}, nil
	}

	id := u.rec.ID

	lock, err := p.deps.Locks.LockJob(id, u.rec.File)
	if err != nil {
		return nil, nil, fmt.Errorf("lock job: %w", err)
	}

	return lock, func() {
		err := p.deps.Locks.UnlockJob(id, lock)
		if errors.Is(err, job.ErrHeld) { // one in a session of its own
			p.deps.Locks.SignalHandlers([]job.ID{id}, syscall.SIGKILL)

			err = p.deps.Locks.UnlockJob(id, lock)
		}

		if err != nil {
			p.line(p.deps.Log.Warn(), &u.rec).Err(err).Msg("handler left a process behind")
		}
	}, nil
}

// noteProcess tells a later daemon which process to look for.
func (p *Pool) noteProcess(rec *job.Record, lock *os.File, pid int) {
	err := p.deps.Locks.NoteProcess(lock, pid)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // one that has ended already needs no note
		p.line(p.deps.Log.Warn(), rec).Err(err).Msg("process not noted")
	}
}
