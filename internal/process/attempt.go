package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"
)

const (
	// busyMin and busyMax bound the wait for a file that somebody still has open
	// for writing when its handler is to be started.
	busyMin = 50 * time.Millisecond
	busyMax = time.Second
	// signalGrace is how long before our own stop signal the same signal may
	// have reached a handler: a supervisor sends to all at once.
	signalGrace = time.Second
)

// attempt runs the handler on the unit's file, which it first takes into processing/
// where it is not there yet.
// What came of it stands in the unit.
func (p *Pool) attempt(ctx, intake context.Context, u *unit) {
	if !u.inside {
		if u.err = p.fetch(u); u.err != nil {
			return
		}

		u.inside = true
	}

	if !p.fit(u) {
		return
	}

	task, release, err := p.equip(u)
	if err != nil {
		u.again(u.rules.cfg.Backoff.Wait(1), err)

		return
	}

	if u.trial { // the handler may run for hours: others need not wait for its end
		serial := u.serial
		p.post(func() { p.judgeDisk(serial, nil) })
	}

	cause := p.handle(ctx, intake, u, task)

	release()
	p.review(u, cause)
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

// fit looks at the file once more now that nobody can open it by its old name,
// and says whether the handler may be started on it.
func (p *Pool) fit(u *unit) bool {
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

// equip gathers what an attempt needs. release gives it back.
func (p *Pool) equip(u *unit) (handler.Task, func(), error) {
	id := u.rec.ID

	lock, release, err := p.lock(u)
	if err != nil {
		return handler.Task{}, nil, err
	}

	u.first = u.rec.StartedAt.IsZero()
	u.rec.Attempt++
	u.rec.StartedAt = time.Now()
	u.rec.Exit, u.rec.Error, u.rec.Busy = nil, "", 0
	task := handler.Task{
		Job:  u.rec,
		Path: p.deps.Papers.Path(job.ProcessingFolder, u.rec.File),
		Log:  p.deps.Papers.LogPath(id),
		Lock: lock, Kill: p.deps.Kill,
		Started: func(pid int) { p.noteProcess(u.rec, lock, pid) },
	}

	if u.rules.cfg.Shared {
		task.Started = func(int) { u.grip.begin(u.rules.cfg.Timeout) }
	}

	if u.rules.cfg.Results {
		task.Results, err = p.deps.Results.MakeResults(id)
	}

	if err == nil {
		err = p.deps.Journal.Note(u.rec)
	}

	if err != nil {
		u.rec.Attempt--
		release()

		return handler.Task{}, nil, fmt.Errorf("prepare attempt: %w", err)
	}

	return task, release, nil
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
			p.line(p.deps.Log.Warn(), u.rec).Err(err).Msg("handler left a process behind")
		}
	}, nil
}

// noteProcess tells a later daemon which process to look for.
func (p *Pool) noteProcess(rec job.Record, lock *os.File, pid int) {
	err := p.deps.Locks.NoteProcess(lock, pid)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // one that has ended already needs no note
		p.line(p.deps.Log.Warn(), rec).Err(err).Msg("process not noted")
	}
}

// handle runs the handler and returns why it was asked to end, nil: it was not.
func (p *Pool) handle(ctx, intake context.Context, u *unit, task handler.Task) error {
	var mu sync.Mutex

	checkpoint, began := u.rec.Checkpoint, u.rec
	task.Report = func(r handler.Report) {
		mu.Lock()
		defer mu.Unlock()

		if r.Checkpoint != nil {
			checkpoint = *r.Checkpoint
		}

		if r.Progress != nil {
			began.Checkpoint = checkpoint
			u.grip.tell(began, r.Progress)
		}
	}

	freeze, done := make(chan bool), make(chan struct{})
	task.Freeze = freeze

	var minding sync.WaitGroup

	limit := u.rules.cfg.Timeout
	if u.rules.cfg.Shared {
		limit = 0
	}

	minding.Go(func() { u.grip.mind(ctx, done, limit, freeze) })

	p.line(p.deps.Log.Debug(), u.rec).Msg("job started")
	u.grip.tell(u.rec, nil)

	if u.first {
		p.deps.Teller.Started(u.rec, u.arrival())
	}

	exit := u.rules.handler.Run(ctx, task)

	close(done)
	minding.Wait()
	u.grip.settle(false, true)
	mu.Lock()
	defer mu.Unlock()

	u.rec.Exit, u.rec.Checkpoint = &exit, checkpoint

	return p.causeOf(ctx, intake, exit)
}

// causeOf returns why an attempt was asked to end. A handler that died of a
// signal during our drain, or up to a second before it began, was asked too: a
// supervisor may have sent the signal to all of us.
func (p *Pool) causeOf(ctx, intake context.Context, exit job.Exit) error {
	switch err := context.Cause(ctx); {
	case errors.Is(err, handler.ErrTimeout), errors.Is(err, handler.ErrTerminate):
		return err
	case err != nil:
		return handler.ErrStop
	case exit.Signal == "":
		return nil
	}

	grace := time.NewTimer(signalGrace)
	defer grace.Stop()

	select {
	case <-intake.Done():
		return handler.ErrStop
	case <-grace.C:
		return nil
	}
}

// review judges the attempt by how it ended and by what became of the file.
func (p *Pool) review(u *unit, cause error) {
	u.verdict = judge(*u.rec.Exit, cause)
	u.rec.Error = describe(*u.rec.Exit, cause)

	f, err := p.deps.Folders.Probe(job.ProcessingFolder, u.rec.File)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.gone = true
	case errors.Is(err, job.ErrNotRegular):
		u.gone, u.rec.Changed = true, true
		if err := p.setAside(u.rec.File); err != nil { // upkeep tries again
			p.line(p.deps.Log.Error(), u.rec).Err(err).Msg("not set aside")
		}
	case errors.Is(err, job.ErrOpen):
		if u.verdict == job.Succeeded {
			u.verdict = job.Refused
		}

		u.rec.Error = "changed while handled: somebody has the file open for writing"
		u.rec.Changed = true
	case f.Ino != 0:
		u.rec.Changed = !f.Untouched(u.file)
		u.rec.Seen = f
	}

	p.keepResults(u)
}

// keepResults flushes what a successful attempt produced, and drops the rest.
func (p *Pool) keepResults(u *unit) {
	if !u.rules.cfg.Results {
		return
	}

	if u.verdict == job.Succeeded {
		err := p.deps.Results.FlushResults(u.rec.ID)
		if err == nil {
			u.results = true

			return
		}

		u.verdict = job.Refused
		u.rec.Error = fmt.Sprintf("its results could not be flushed: %v", err)
	}

	if err := p.deps.Results.DropResults(u.rec.ID); err != nil {
		p.line(p.deps.Log.Warn(), u.rec).Err(err).Msg("results not removed")
	}
}

// setAside takes what is no file out of processing/.
func (p *Pool) setAside(name string) error {
	path, err := p.deps.Papers.SetAside(name)
	if err != nil {
		return err
	}

	p.deps.Log.Warn().Str("file", job.Show(name)).Str("path", job.Show(path)).
		Msg("handler left something that is not a file")

	return nil
}
