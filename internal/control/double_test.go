package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"importerd/internal/control"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// double stands for one spool: it keeps jobs and drafts in memory.
type double struct {
	name string
	logs string // directory
	err  atomic.Pointer[error]

	mu      sync.Mutex
	entries []control.Entry   // guarded by mu, oldest first
	bodies  map[job.ID]string // guarded by mu; of accepted jobs
	changed chan struct{}     // guarded by mu; closed and replaced with each change
	paused  bool              // guarded by mu
	drafts  atomic.Int32      // open
	sweeps  atomic.Int32
	lists   atomic.Int32              // calls of List
	broken  atomic.Bool               // the disk is
	drafted func(ctx context.Context) // called when a draft is there; nil: nothing is
}

func newDouble(t *testing.T, name string) *double {
	t.Helper()

	return &double{
		name: name, logs: t.TempDir(), bodies: map[job.ID]string{}, changed: make(chan struct{}),
	}
}

// spool returns the double as the server sees it.
func (d *double) spool() *control.Spool {
	return &control.Spool{
		Name: d.name, Status: d.status, Intake: d, Steerer: d, History: d, Inbox: d, Waiter: d,
		LogPath: func(id job.ID) string { return filepath.Join(d.logs, id.String()+".log") },
		Live: func(j *wire.Job, rec job.Record) {
			if rec.State == job.Processing {
				half := 0.5
				j.Progress = &half
			}

			j.Cursor = "c"
		},
	}
}

// fail makes everything fail with err; nil: not any more.
func (d *double) fail(err error) {
	if err == nil {
		d.err.Store(nil)
	} else {
		d.err.Store(&err)
	}
}

func (d *double) trouble() error {
	if err := d.err.Load(); err != nil {
		return fmt.Errorf("/secret/path of %s: %w", d.name, *err)
	}

	return nil
}

func (d *double) status() wire.Spool {
	d.mu.Lock()
	defer d.mu.Unlock()

	return wire.Spool{Name: d.name, Dir: "/srv", Inbox: "/srv/inbox", Workers: 1, Paused: d.paused}
}

type memory struct {
	of   *double
	text string
	once sync.Once
}

func (m *memory) Size() int64 { return int64(len(m.text)) }

func (m *memory) Close() error {
	m.once.Do(func() { m.of.drafts.Add(-1) })

	return nil
}

func (d *double) Draft(ctx context.Context, r control.Body) (control.Draft, error) {
	if err := d.trouble(); err != nil {
		return nil, err
	}

	var b bytes.Buffer
	if _, err := io.Copy(&b, r); err != nil {
		return nil, errors.New("receive: " + err.Error()) // what was wrong is lost on the way
	}

	if d.broken.Load() {
		return nil, fmt.Errorf("write /secret/path: %w", job.ErrDisk)
	}

	d.drafts.Add(1)

	if d.drafted != nil {
		d.drafted(ctx)
	}

	return &memory{of: d, text: b.String()}, nil
}

func (d *double) Accept(ctx context.Context, draft control.Draft, o control.Acceptance) (job.Record, error) {
	if err := cmpErr(d.trouble(), ctx.Err()); err != nil {
		return job.Record{}, err
	}

	d.mu.Lock()
	defer d.mu.Unlock()

	for _, e := range d.entries {
		if e.ID == o.ID {
			return job.Record{}, &job.KnownError{ID: o.ID}
		}

		if o.Origin == job.Triggered && e.Origin == job.Triggered && !e.State.Ended() {
			return job.Record{}, fmt.Errorf("accept: %w", &job.BusyError{ID: e.ID, State: e.State})
		}
	}

	if o.Origin == job.Triggered && d.paused {
		return job.Record{}, job.ErrPaused
	}

	rec := job.Record{ID: o.ID, Name: o.Name, State: job.Deferred, Origin: o.Origin, Size: draft.Size()}
	if rec.ID.IsZero() {
		rec.ID = job.NewID()
	}

	if rec.Name == "" {
		rec.Name = "start-" + rec.ID.String()
	}

	rec.File = rec.Name
	d.bodies[rec.ID] = draft.(*memory).text //nolint:forcetypeassert // made by Draft

	return d.add(rec), nil
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}

	return nil
}

// add takes a job up; mu is held.
func (d *double) add(rec job.Record) job.Record {
	rec.Spool = d.name
	if rec.ID.IsZero() {
		rec.ID = job.NewID()
	}

	if rec.CreatedAt.IsZero() {
		rec.CreatedAt = time.Now()
	}

	d.entries = append(d.entries, control.Entry{Place: int64(len(d.entries) + 1), Record: rec})

	return rec
}

// put takes a job up.
func (d *double) put(rec job.Record) job.Record {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.add(rec)
}

// set changes a job.
func (d *double) set(id job.ID, change func(*job.Record)) job.Record {
	d.mu.Lock()
	defer d.mu.Unlock()

	i := slices.IndexFunc(d.entries, func(e control.Entry) bool { return e.ID == id })
	change(&d.entries[i].Record)
	close(d.changed)
	d.changed = make(chan struct{})

	return d.entries[i].Record
}

func (d *double) end(id job.ID, state job.State) {
	d.set(id, func(rec *job.Record) { rec.State, rec.FinishedAt = state, time.Now() })
}

func (d *double) body(id job.ID) string {
	d.mu.Lock()
	defer d.mu.Unlock()

	return d.bodies[id]
}

func (d *double) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()

	return len(d.entries)
}

func (d *double) Get(id job.ID) (job.Record, error) {
	if err := d.trouble(); err != nil {
		return job.Record{}, err
	}

	d.mu.Lock()
	defer d.mu.Unlock()

	for _, e := range d.entries {
		if e.ID == id {
			return e.Record, nil
		}
	}

	return job.Record{}, fmt.Errorf("job %s: %w", id, fs.ErrNotExist)
}

func (d *double) List(q control.Query) ([]control.Entry, error) {
	d.lists.Add(1)

	if err := d.trouble(); err != nil {
		return nil, err
	}

	d.mu.Lock()
	defer d.mu.Unlock()

	var list []control.Entry

	for _, e := range slices.Backward(d.entries) {
		when := e.FinishedAt
		if when.IsZero() {
			when = e.CreatedAt
		}

		switch {
		case q.Limit > 0 && len(list) == q.Limit:
		case q.State != "" && e.State != q.State:
		case q.Name != "" && e.Name != q.Name:
		case q.Match != nil && !q.Match(e.Name):
		case when.Before(q.Since):
		case q.Before != 0 && e.Place >= q.Before:
		default:
			list = append(list, e)
		}
	}

	return list, nil
}

func (d *double) Steer(_ context.Context, id job.ID, verb job.Verb) (job.Record, error) {
	rec, err := d.Get(id)
	if err != nil {
		return rec, err
	}

	if rec.Error == "gone" {
		return rec, &job.StateError{ID: id, State: rec.State, Verb: verb, Why: "its file is gone"}
	}

	next := map[job.Verb]job.State{
		job.Pause: job.Paused, job.Resume: job.Deferred, job.Terminate: job.Terminated, job.Retry: job.Deferred,
	}[verb]

	switch {
	case rec.State == next:
		return rec, nil
	case !rec.State.May(next):
		return rec, &job.StateError{ID: id, State: rec.State, Verb: verb}
	case verb == job.Terminate && rec.State == job.Processing: // its process takes its time
		return d.set(id, func(rec *job.Record) { rec.Wish = job.WishTerminate }), nil
	}

	return d.set(id, func(rec *job.Record) { rec.State = next }), nil
}

func (d *double) PauseSpool(_ context.Context, paused bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.paused = paused

	return d.trouble()
}

func (d *double) Explain(_ context.Context, name string) job.Reason {
	if name == "none" {
		return job.Reason{}
	}

	return job.Reason{Standing: job.Settling, Text: job.ReasonOpen, Until: 1500 * time.Millisecond}
}

func (d *double) Sweep() { d.sweeps.Add(1) }

func (d *double) Wait(ctx context.Context, id job.ID) (job.Record, error) {
	for {
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()

		rec, err := d.Get(id)
		if err != nil || rec.State.Ended() {
			return rec, err
		}

		select {
		case <-changed:
		case <-ctx.Done():
			return rec, ctx.Err()
		}
	}
}
