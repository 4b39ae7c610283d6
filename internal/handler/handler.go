// Package handler says what does the work of one attempt on one job: the
// interface that each kind of handler fulfils. Each kind has a folder below.
package handler

import (
	"context"
	"errors"
	"os"

	"importerd/internal/job"
)

// Causes with which the context of an attempt is cancelled. After any of them
// the handler is asked to end (SIGCONT, SIGTERM) and, when its grace is over,
// killed.
var (
	ErrTimeout   = errors.New("timed out")
	ErrStop      = errors.New("the daemon stops")
	ErrTerminate = errors.New("terminated by a person")
)

// ErrDied says, in an Exit, that the process that was at work on the job has ended
// without saying what became of it: an attempt is used, however the process ended.
var ErrDied = errors.New("the process has died")

// ErrShared says, in an Exit, that the process was at work on several jobs, and that
// perhaps another one is the cause of how this one ended: no attempt is used, also when
// its time was over.
var ErrShared = errors.New("other jobs were on the process")

// Handler runs attempts. Its methods may be called from several goroutines.
type Handler interface {
	// Run does one attempt and returns when the whole process tree that did it
	// has ended, as far as it can be found; where attempts share a process, when that
	// has said how this one ended, or has ended itself. It never returns an error of its own:
	// what went wrong is in the Exit. When ctx is done the attempt is asked to
	// end; the Exit still tells truly how it ended, the caller judges.
	Run(ctx context.Context, task Task) job.Exit
}

// Starter is a Handler that makes attempts without a goroutine for each.
type Starter interface {
	Handler
	// Start begins attempts and returns. Each is given back to s, once and with its Exit,
	// when Run would have returned, perhaps before Start returns. Those that end together
	// are given back together.
	Start(s Sink, attempts []*Attempt)
}

// Sink is who takes attempts back.
type Sink interface {
	// Ended takes attempts that have ended. It does not block.
	Ended(attempts []*Attempt)
}

// Attempt is what a Starter is given, and gives back.
type Attempt struct {
	Context context.Context //nolint:containedctx // as that of Run
	Task    Task
	Exit    job.Exit // how it has ended
	Owner   any      // for whoever has begun it
}

// Task is one attempt on one job.
//
// Freeze brings true to freeze the whole process tree and false to let it go on;
// saying the same again does no harm. Run takes every value promptly while the
// handler lives, and one that waits already right after the start: what was taken
// has come about. A handler that was asked to end is not frozen any more. Who sends
// must also wait for the return of Run: a handler that has ended takes nothing. Where
// attempts share a process nobody sends: one of them cannot be frozen.
type Task struct {
	Job     job.Record      // Attempt is the one to be made; Checkpoint is what an earlier one reported
	Path    string          // absolute path of the file in processing/
	Results string          // absolute path of an empty directory for results; empty: the spool wants none
	Log     string          // absolute path of the job's log; created when the first byte of output comes
	Lock    *os.File        // held by the attempt while it lives: inherited as descriptor 4, then closed; nil: none
	Kill    <-chan struct{} // closed by the caller: kill at once, without any grace
	Freeze  <-chan bool     // sent by the caller, see below; nil: nobody freezes
	Started func(pid int)   // called with the pid, which is the process group too; nil: nobody asks. Where
	// attempts share a process: when one was given to it, and perhaps to another one again
	Report func(Report) // called with each report of the handler, never after Run has returned; nil: nobody asks
}

// Report is one line that a handler wrote on descriptor 3. One field is set.
type Report struct {
	Progress   *float64 // from 0 to 1
	Checkpoint *string
}
