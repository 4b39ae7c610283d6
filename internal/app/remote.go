package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"importerd/internal/control"
	"importerd/internal/control/wire"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/process"
	"importerd/internal/spool"
)

// visits counts who uses a session from outside, so that its spool and its
// journal are not closed under anybody.
type visits struct {
	mu    sync.Mutex
	over  bool // guarded by mu; nobody comes any more
	users sync.WaitGroup
}

// enter counts one more; false: the session is over. Who came calls leave.
func (v *visits) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()

	if v.over {
		return false
	}

	v.users.Add(1)

	return true
}

// close lets nobody in any more and waits for those that are there.
func (v *visits) close() {
	v.mu.Lock()
	v.over = true
	v.mu.Unlock()

	v.users.Wait()
}

// remote is a line as the API sees it.
type remote struct{ *line }

// face returns what the API gets.
func (r remote) face() *control.Spool {
	return &control.Spool{
		Name: r.name, Status: r.status, Intake: r, Steerer: r, History: r, Inbox: r, Waiter: r.app.hub,
		LogPath: r.logPath, Live: r.live,
	}
}

// live adds to a job what the journal does not know. An end counts only when it
// was told: until then a power cut may undo it.
func (r remote) live(j *wire.Job, rec job.Record) {
	if rec.State.Ended() {
		if j.Cursor = r.app.hub.CursorOf(rec); j.Cursor != "" || rec.Cursor == 0 {
			j.Moving = nil
		} else {
			j.State, j.FinishedAt = job.Committing, time.Time{}
		}

		return
	}

	now, progress, ok := r.app.hub.Live(rec.ID)
	if ok && now.Attempt == rec.Attempt {
		j.State, j.Progress = now.Shown(), progress
	}
}

// enter returns the present session to read; leave must be called.
func (r remote) enter() (*session, func(), error) {
	s := r.session.Load()
	if s != nil && s.readers.enter() {
		return s, s.readers.users.Done, nil
	}

	return nil, nil, r.away()
}

// write returns the present session to record something; leave must be called.
func (r remote) write() (*session, func(), error) {
	s := r.session.Load()
	if s != nil && s.writers.enter() {
		return s, s.writers.users.Done, nil
	}

	return nil, nil, r.away()
}

// away says why there is no session.
func (r remote) away() error {
	if _, draining := r.stages.Began(); draining {
		return job.ErrDraining
	}

	why := "it is not open yet"
	if text := r.degraded.Load(); text != nil {
		why = *text
	}

	return fmt.Errorf("%w: %s", job.ErrDegraded, why)
}

// draft is a body on the spool's disk. It keeps the session.
type draft struct {
	*spool.Draft

	session *session
	leave   func()
}

// Close removes what was not accepted and lets the session go.
func (d *draft) Close() error {
	err := d.Draft.Close()
	d.leave()

	return err //nolint:wrapcheck // passed on
}

// Draft copies a body to the spool's disk. It is given up when the drain begins, also
// while the sender is waited for: he must not hold it up.
func (r remote) Draft(ctx context.Context, body control.Body) (control.Draft, error) {
	s, leave, err := r.write()
	if err != nil {
		return nil, err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	//nolint:contextcheck // the session has a life of its own
	defer context.AfterFunc(s.intake, cancel)()
	defer context.AfterFunc(ctx, body.Cut)()

	d, err := s.spool.NewDraft(ctx, body)
	if err != nil {
		leave()

		if s.intake.Err() != nil {
			err = errors.Join(r.away(), err)
		}

		return nil, err
	}

	return &draft{Draft: d, session: s, leave: sync.OnceFunc(leave)}, nil
}

// Accept makes a draft a job's file.
func (r remote) Accept(ctx context.Context, d control.Draft, o control.Acceptance) (job.Record, error) {
	own, ok := d.(*draft)
	if !ok {
		return job.Record{}, errors.New("bug: a draft of another kind")
	}

	//nolint:wrapcheck // passed on
	return own.session.pool.Accept(ctx, own.Draft, process.Acceptance{ID: o.ID, Name: o.Name, Origin: o.Origin})
}

// Steer carries a verb out on a job.
func (r remote) Steer(ctx context.Context, id job.ID, verb job.Verb) (job.Record, error) {
	s, leave, err := r.write()
	if err != nil {
		return job.Record{}, err
	}
	defer leave()

	return s.pool.Steer(ctx, id, verb) //nolint:wrapcheck // passed on
}

// PauseSpool stops or begins claiming.
func (r remote) PauseSpool(ctx context.Context, paused bool) error {
	s, leave, err := r.write()
	if err != nil {
		return err
	}
	defer leave()

	return s.pool.PauseSpool(ctx, paused) //nolint:wrapcheck // passed on
}

// Get returns a job as it is now.
func (r remote) Get(id job.ID) (job.Record, error) {
	s, leave, err := r.enter()
	if err != nil {
		return job.Record{}, err
	}
	defer leave()

	e, err := s.journal.Get(id)

	return e.Record, err //nolint:wrapcheck // passed on
}

// List returns the jobs that q chooses.
func (r remote) List(q control.Query) ([]control.Entry, error) {
	s, leave, err := r.enter()
	if err != nil {
		return nil, err
	}
	defer leave()

	found, err := s.journal.List(journal.Query(q))
	list := make([]control.Entry, 0, len(found))

	for _, e := range found {
		list = append(list, control.Entry{Place: e.Seq, Record: e.Record})
	}

	return list, err //nolint:wrapcheck // passed on
}

// Explain says how a file of the inbox stands. The pool answers by names alone:
// whether there is such a file is asked first.
func (r remote) Explain(ctx context.Context, name string) job.Reason {
	s, leave, err := r.enter()
	if err != nil {
		return job.Reason{Standing: job.Held, Text: job.ReasonNotWatching}
	}
	defer leave()

	if _, err := s.spool.Stat(job.InboxFolder, name); errors.Is(err, fs.ErrNotExist) {
		return job.Reason{Text: job.ReasonGone}
	}

	return r.explain(ctx, name)
}

// Sweep asks for a full look at the inbox.
func (r remote) Sweep() {
	if s := r.session.Load(); s != nil {
		s.watcher.Sweep()
	}
}

// logPath returns where the log of a job lies.
func (r remote) logPath(id job.ID) string {
	s, leave, err := r.enter()
	if err != nil {
		return ""
	}
	defer leave()

	return s.spool.LogPath(id)
}

// told is a journal for the monitor, which does not care about places.
type told struct{ *journal.Journal }

// Get passes the call on.
func (t told) Get(id job.ID) (job.Record, error) {
	e, err := t.Journal.Get(id)

	return e.Record, err //nolint:wrapcheck // passed on
}

// Told passes the call on.
func (t told) Told(after int64, n int) ([]job.Record, error) {
	found, err := t.Journal.Told(after, n)
	list := make([]job.Record, 0, len(found))

	for _, e := range found {
		list = append(list, e.Record)
	}

	return list, err //nolint:wrapcheck // passed on
}

// status says how the spool stands.
func (r remote) status() wire.Spool {
	now := r.rules()
	w := wire.Spool{
		Name: now.Name, Dir: now.Dir, Inbox: now.InboxDir(), Workers: now.Slots(), KeepDone: now.Keep.Done.Seconds(),
		Isolation: r.app.isolation(),
	}
	_, w.Draining = r.stages.Began()

	if why := r.degraded.Load(); why != nil {
		w.Degraded = *why
	}

	s, leave, err := r.enter()
	if err != nil {
		if w.Degraded == "" && !w.Draining {
			w.Degraded = err.Error()
		}

		return w
	}
	defer leave()

	s.describeInbox(&w)
	s.describePool(&w)
	s.describeJournal(&w)

	return w
}

// describeInbox says how the inbox stands.
func (s *session) describeInbox(w *wire.Spool) {
	c := s.watcher.Counts()
	w.Settling, w.Ignored, w.Held = c.Standing[job.Settling], c.Standing[job.Ignored], c.Standing[job.Held]
	w.Waiting = c.Standing[job.Ready] + w.Settling
	w.OldestAt = c.Oldest.UTC()
	w.Events, w.Sweeps, w.EventsLost = c.Events, uint64(c.Sweeps), uint64(c.Overflow)
	w.StartedAt = s.began.UTC()

	if c.Degraded != "" {
		w.Degraded = c.Degraded
	}

	for _, p := range c.Passed {
		w.Reasons = append(w.Reasons, wire.Reason{
			Standing: p.Standing, Text: p.Text, Files: p.Files, Example: job.Show(p.Example),
		})
	}
}

// describePool says what the pool does.
func (s *session) describePool(w *wire.Spool) {
	workers := s.fleet.Counts()
	w.Processes, w.Unexpected = workers.Alive, workers.Died

	c := s.pool.Counts()
	w.Waiting = max(w.Waiting, c.Queued) // a sweep sees those again that are queued
	w.Held += c.Held
	w.Paused, w.Broken, w.Disk = s.pool.Paused(), c.Broken, c.Disk
	w.Running, w.Committing, w.PausedJobs = c.Running, c.Committing, c.Paused
	w.LongestAt, w.Later, w.Interrupted = c.Oldest.UTC(), c.Later, c.Interrupted
	w.DoneBytes, w.DoneJobs = c.DoneBytes, c.Done

	if c.HeldName != "" {
		w.Reasons = append(w.Reasons, wire.Reason{
			Standing: job.Held, Text: c.HeldWhy, Files: 1, Example: job.Show(c.HeldName), // of the others it is not known
		})
	}

	if c.LastFailed.IsZero() {
		s.describeOldFailure(w)
	} else {
		w.LastError, w.LastErrorAt, w.LastFailed = c.LastError, c.LastFailure.UTC(), &c.LastFailed
	}
}

// describeOldFailure says which job failed last before the start: who watches for
// failures must not miss one because the daemon was started again.
func (s *session) describeOldFailure(w *wire.Spool) {
	found, err := s.journal.List(journal.Query{State: job.Failed, Limit: 1})
	if err != nil || len(found) == 0 {
		return
	}

	old := found[0].Record
	w.LastError, w.LastErrorAt, w.LastFailed = old.Error, old.FinishedAt.UTC(), &old.ID
}

// describeJournal says what the journal holds.
func (s *session) describeJournal(w *wire.Spool) {
	counts := s.journal.Counts()
	w.Deferred = counts[job.Deferred]
	w.Jobs = wire.StateCount{
		Done: counts[job.Done], Failed: counts[job.Failed], Terminated: counts[job.Terminated],
	}

	if id, _, open := s.journal.Trigger(); open {
		w.Trigger = &id
	}

	w.DoneSize = s.doneSize.of(s.journal)

	for _, name := range []string{"journal.db", "journal.db-wal"} {
		if info, err := os.Stat(s.spool.Path(job.OwnFolder, name)); err == nil {
			w.JournalSize += info.Size()
		}
	}
}
