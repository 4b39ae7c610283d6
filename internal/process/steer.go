package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"importerd/internal/job"
)

// patience is how long whoever steers a job waits for its outcome to be written.
const patience = 2 * time.Second

// Steer carries out what a person wants of a job, and returns how it is then. It is
// durable when it returns. A job whose end is just being written is waited for, for
// a short while: what is recorded first wins. Repeats are harmless.
//
// Errors: fs.ErrNotExist: there is no such job; *job.StateError: the verb makes no
// sense for it; job.ErrDisk, job.ErrUntrusted, job.ErrDraining, job.ErrDegraded,
// the error of ctx.
func (p *Pool) Steer(ctx context.Context, id job.ID, verb job.Verb) (job.Record, error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()

	for {
		var a answer

		if err := p.enter(ctx, func() { a = p.steer(id, verb) }); err != nil {
			return job.Record{}, err
		}

		if a.wait == nil {
			return a.rec, a.err
		}

		err := p.await(ctx, a.wait, limit.C)

		switch {
		case errors.Is(err, errPatience) && !a.rec.ID.IsZero(): // its handler is not running yet
			return a.rec, nil
		case errors.Is(err, errPatience):
			return job.Record{}, &job.StateError{ID: id, State: job.Committing, Verb: verb, Why: a.why()}
		case err != nil:
			return job.Record{}, err
		case a.unit != nil:
			return a.unit.outcome(verb)
		}
	}
}

// errPatience says that something has not come about in time.
var errPatience = errors.New("it takes too long")

// await waits for done, or says why it cannot.
func (p *Pool) await(ctx context.Context, done <-chan struct{}, limit <-chan time.Time) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-limit:
		return errPatience
	case <-p.gone:
	}

	select {
	case <-done:
		return nil
	default:
		return job.ErrDraining
	}
}

// answer is what the loop has to say to whoever steers a job.
type answer struct {
	rec  job.Record
	err  error
	wait <-chan struct{} // closed when it is time to ask again, or when unit is done; nil: this is the answer
	unit *unit           // on which the answer depends; to be looked at when it is done, not before
}

// why says for people why it takes so long.
func (a *answer) why() string {
	if a.unit == nil {
		return "its end is being written"
	}

	return "it was begun, and comes about when the disk takes it"
}

// steer does what can be done at once.
func (p *Pool) steer(id job.ID, verb job.Verb) answer {
	s := &p.state

	if s.closed {
		return answer{err: job.ErrDraining}
	}

	if s.writing[id] != nil {
		return answer{wait: s.news}
	}

	rec, err := p.deps.Index.Get(id)
	if err != nil {
		return answer{err: fmt.Errorf("job %s: %w", id, err)}
	}

	if u := s.running[id]; u != nil {
		return p.steerRunning(u, rec, verb)
	}

	if u := s.waiting(id); u != nil {
		return p.steerClaimed(u, verb)
	}

	if o := s.orphanJob(id); o != nil {
		return p.steerOrphan(o, verb)
	}

	switch rec.State {
	case job.Deferred, job.Paused:
		if rec.Moving != nil { // it has just been accepted
			return answer{wait: s.news}
		}

		return p.steerWaiting(rec, verb)
	case job.Failed, job.Terminated:
		return p.steerEnded(rec, verb)
	case job.Processing: // its file could not be taken, which is not written yet
		return answer{wait: s.news}
	case job.Committing, job.Done:
	}

	return refuse(rec, verb, "")
}

// whyShared is why a job cannot be paused while it runs.
const whyShared = "it shares its worker with other jobs: pause the spool, or terminate the job"

// steerRunning steers a job of which this daemon runs an attempt.
func (p *Pool) steerRunning(u *unit, rec job.Record, verb job.Verb) answer {
	if verb == job.Pause && u.rules.cfg.Shared {
		return refuse(rec, verb, whyShared)
	}

	a := p.steerAttempt(u.wish, rec, verb, func(w job.Wish) {
		u.wish = w
		rec.Wish = w
		u.grip.set(w, rec)
	})

	if verb == job.Pause && a.err == nil {
		a.wait = p.untilPaused(u)
	}

	return a
}

// steerClaimed steers a job that was claimed and has not got a slot yet. It goes on to
// wait for one, in its turn, where nothing else is wanted.
func (p *Pool) steerClaimed(u *unit, verb job.Verb) answer {
	switch verb {
	case job.Terminate:
		p.state.unqueue(u)
		u.end(time.Now())

		return p.send(u)
	case job.Pause:
		p.state.unqueue(u)
		u.rec.State = job.Paused

		return p.send(u)
	case job.Retry:
		return refuse(u.rec, verb, "")
	case job.Resume:
	}

	return answer{rec: u.rec}
}

// untilPaused returns on what to wait until a running attempt is paused; nil: it is.
// A handler that ends before it could be frozen has an outcome, which decides.
func (p *Pool) untilPaused(u *unit) <-chan struct{} {
	paused, wait := u.grip.pausing()

	switch {
	case paused:
		return nil
	case wait == nil:
		return p.state.news
	}

	return wait
}

// refuse answers that the verb makes no sense for the job.
func refuse(rec job.Record, verb job.Verb, why string) answer {
	return answer{err: &job.StateError{ID: rec.ID, State: rec.Shown(), Verb: verb, Why: why}}
}

// steerAttempt steers a job of which an attempt is under way and of which wish was
// wanted so far. set brings about what is wanted instead.
func (p *Pool) steerAttempt(wish job.Wish, rec job.Record, verb job.Verb, set func(job.Wish)) answer {
	want := wish

	switch {
	case verb == job.Retry:
		return refuse(rec, verb, "")
	case verb == job.Terminate:
		want = job.WishTerminate
	case wish == job.WishTerminate && verb == job.Pause:
		return refuse(rec, verb, "it is being terminated")
	case wish == job.WishTerminate:
	case verb == job.Pause:
		want = job.WishPause
	default:
		want = job.NoWish
	}

	if want != wish {
		if err := p.record(func() error { return p.deps.Wishes.Wish(want, rec.ID) }); err != nil {
			return answer{err: fmt.Errorf("%s job %s: %w", verb, rec.ID, err)}
		}

		set(want)
	}

	rec.Wish = want

	return answer{rec: rec}
}

// steerOrphan steers a job on which a handler of an earlier daemon still works. The
// handler was asked to end already: what is wanted comes about when it has.
func (p *Pool) steerOrphan(o *orphan, verb job.Verb) answer {
	if o.rec.State != job.Processing {
		return refuse(o.rec, verb, job.ErrHeld.Error())
	}

	return p.steerAttempt(o.rec.Wish, o.rec, verb, func(w job.Wish) { o.rec.Wish = w })
}

// orphanJob returns the old handler that works on a job; nil: there is none.
func (s *state) orphanJob(id job.ID) *orphan {
	for _, o := range s.orphans {
		if o.rec.File != "" && o.rec.ID == id {
			return o
		}
	}

	return nil
}

// steerWaiting steers a job whose file lies in deferred/.
func (p *Pool) steerWaiting(rec job.Record, verb job.Verb) answer {
	now, next := time.Now(), rec

	switch {
	case verb == job.Retry:
		return refuse(rec, verb, "")
	case verb == job.Terminate:
		u := &unit{rec: rec, from: job.DeferredFolder, at: job.DeferredFolder}
		u.end(now)

		return p.send(u)
	case verb == job.Pause:
		next.State = job.Paused
	case rec.State == job.Paused:
		next.State, next.DueAt = job.Deferred, now
	}

	if next.State == rec.State {
		return answer{rec: rec}
	}

	if err := p.record(func() error { return p.deps.Journal.Commit(next) }); err != nil {
		return answer{err: fmt.Errorf("%s job %s: %w", verb, rec.ID, err)}
	}

	p.deps.Teller.Changed(next, nil)

	return answer{rec: next}
}

// steerEnded steers a job that has failed or was terminated.
func (p *Pool) steerEnded(rec job.Record, verb job.Verb) answer {
	switch {
	case verb == job.Terminate && rec.State == job.Terminated:
		return answer{rec: rec}
	case verb != job.Retry:
		return refuse(rec, verb, "")
	}

	if other, state, open := p.deps.Births.Trigger(); open && rec.Origin == job.Triggered {
		return answer{err: &job.BusyError{ID: other, State: state}}
	}

	f, err := p.deps.Lister.Stat(job.FailedFolder, rec.File)
	if err == nil && !isTheOne(rec.Seen, f, job.FailedFolder) {
		err = fs.ErrNotExist
	}

	switch {
	case rec.File == "", errors.Is(err, fs.ErrNotExist), errors.Is(err, job.ErrNotRegular):
		return refuse(rec, verb, whyGone)
	case err != nil:
		return answer{err: fmt.Errorf("%s job %s: %w", verb, rec.ID, err)}
	}

	p.debts.forgive(rec.ID)

	return p.send(&unit{rec: anew(rec, time.Now()), from: job.FailedFolder, at: job.FailedFolder, undo: &rec})
}

// whyGone is why a job cannot be tried again.
const whyGone = "its file is gone"

// anew returns the record with which a job that had ended begins again.
func anew(rec job.Record, now time.Time) job.Record {
	rec.State, rec.DueAt = job.Deferred, now
	rec.Attempt, rec.Crashes, rec.Busy = 0, 0, 0 // or the first crash would end it
	rec.StartedAt, rec.FinishedAt = time.Time{}, time.Time{}
	rec.Exit, rec.Error, rec.Results = nil, "", ""
	rec.Cursor, rec.Moving = 0, nil

	return rec
}

// send hands a unit to the finisher. The answer is what becomes of it.
func (p *Pool) send(u *unit) answer {
	u.done = make(chan struct{})
	p.finish(u)

	return answer{wait: u.done, unit: u}
}

// outcome says what has become of a unit that is done.
func (u *unit) outcome(verb job.Verb) (job.Record, error) {
	if u.undone {
		return job.Record{}, &job.StateError{ID: u.rec.ID, State: u.rec.State, Verb: verb, Why: whyGone}
	}

	return u.rec, nil
}
