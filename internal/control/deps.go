// Package control is the API over HTTP: what it is asked it has a spool answer or
// do. It keeps no state of its own but its connections, and decides nothing about
// jobs.
package control

import (
	"context"
	"io"

	"importerd/internal/control/listing"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// Spool is one spool as the API sees it. While the spool does not work its parts
// answer with errors that wrap job.ErrDegraded.
type Spool struct {
	Name    string
	Status  func() wire.Spool
	Intake  Intake
	Steerer Steerer
	History History
	Inbox   Inbox
	Waiter  Waiter
	LogPath func(id job.ID) string // of the job's log; the file may not be there; empty: not known now
	// Live adds to a job what no record holds: its progress, and its cursor; nil: nothing.
	Live func(j *wire.Job, rec job.Record)
}

// Draft is a body that was received whole and lies, flushed, on the spool's disk,
// but not yet under a name. Close removes what was not accepted; it must be called.
type Draft interface {
	io.Closer
	Size() int64
}

// Body is what a client sends. Cut makes a read that waits for the client, and all that
// follow, fail at once; it may be called from another goroutine than Read.
type Body interface {
	io.Reader
	Cut()
}

// Intake accepts files and triggers.
type Intake interface {
	// Draft copies the body to the spool's disk; ctx ends it at once. Errors: what the
	// body returned; job.ErrDisk; job.ErrDegraded, job.ErrDraining.
	Draft(ctx context.Context, b Body) (Draft, error)
	// Accept makes the draft a job's file. When it returns the job survives a power
	// cut. Errors: *job.KnownError; *job.BusyError and job.ErrPaused for triggers;
	// job.ErrDisk, job.ErrDraining, job.ErrDegraded.
	Accept(ctx context.Context, d Draft, o Acceptance) (job.Record, error)
}

// Acceptance says as what a draft is to be accepted.
type Acceptance struct {
	ID     job.ID // zero: a new one
	Name   string // as job.CheckName allows; empty, for triggers only: start-<id>
	Origin job.Origin
}

// Steerer carries out what people want.
type Steerer interface {
	// Steer carries a verb out on a job and returns how the job is now. What was
	// wished is durable when it returns. Errors: fs.ErrNotExist: no such job;
	// *job.StateError; job.ErrDisk, job.ErrDraining, job.ErrDegraded.
	Steer(ctx context.Context, id job.ID, verb job.Verb) (job.Record, error)
	// PauseSpool stops or begins claiming, durably.
	PauseSpool(ctx context.Context, paused bool) error
}

// History answers from the journal, with the present state of what runs.
type History interface {
	// Get returns a job; fs.ErrNotExist: there is none.
	Get(id job.ID) (job.Record, error)
	// List returns the jobs that q chooses, the newest first, each with its place.
	List(q Query) ([]Entry, error)
}

// Waiter waits for the end of jobs.
type Waiter interface {
	// Wait returns a job when it has ended and its end is true after a power cut; at
	// once if that is so. Errors: that of ctx; fs.ErrNotExist: no such job;
	// job.ErrDraining, job.ErrDegraded.
	Wait(ctx context.Context, id job.ID) (job.Record, error)
}

// Query chooses jobs of one spool.
type Query = listing.Query

// Entry is a job with its place in the list of its spool.
type Entry = listing.Entry

// Inbox is the directory in which producers put files.
type Inbox interface {
	// Explain says how the file of a name stands; no standing: there is none.
	Explain(ctx context.Context, name string) job.Reason
	// Sweep asks for a full look, soon.
	Sweep()
}
