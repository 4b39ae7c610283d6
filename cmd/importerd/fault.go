package main

import (
	"errors"
	"fmt"
	"strings"

	"importerd/internal/app"
	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/spool"
)

// The exit codes. Those from 64 on are the ones of sysexits.h.
const (
	codeOK          = 0
	codeNotSo       = 1  // what was asked for is not so
	codeUsage       = 64 // the command line is wrong
	codeData        = 65 // bad input
	codeUnavailable = 69 // the daemon cannot be reached
	codeUntrusted   = 74 // the disk cannot be trusted, or refuses
	codeTaken       = 75 // another daemon has the spool
	codeConfig      = 78 // the configuration or a directory is wrong
)

// fault is an error that ends the program with an exit code of its own.
type fault struct {
	code int
	err  error
	hint string // what to do or to write instead; empty: the error says it
}

// Error returns what went wrong, without the hint.
func (f *fault) Error() string { return f.err.Error() }

// Unwrap returns what went wrong.
func (f *fault) Unwrap() error { return f.err }

// errTold is the error of what was printed already.
var errTold = errors.New("")

// usage returns the fault of a wrong command line.
func usage(hint, format string, args ...any) error {
	return &fault{code: codeUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// gravest joins errs into one that ends with the highest of their codes.
func gravest(errs []error) error {
	if len(errs) == 0 {
		return nil
	}

	worst := &fault{err: errors.Join(errs...)}

	for _, err := range errs {
		worst.code = max(worst.code, code(err))

		if worst.hint == "" {
			worst.hint = hintFor(err)
		}
	}

	return worst
}

// tell writes an error and its hint to standard error, and returns the exit code.
// Where systemd's journal reads that, the lines tell their priority. They are no
// messages with fields as those of the log: the journal asks a process for its unit,
// and one that is gone when its only message is read does not answer. What comes by
// standard error is the unit's all the same.
func (p *program) tell(err error) int {
	var grave, mild string
	if p.native {
		grave, mild = "<3>", "<6>"
	}

	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(p.stderr, "%simporterd: %s\n", grave, strings.TrimSuffix(line, "\n"))
	}

	for line := range strings.Lines(hintFor(err)) {
		fmt.Fprintf(p.stderr, "%shint: %s\n", mild, strings.TrimSuffix(line, "\n"))
	}

	return code(err)
}

// hintFor returns what to do about err; empty: the error says it.
func hintFor(err error) string {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.hint
	}

	if locked, ok := errors.AsType[*spool.LockedError](err); ok && locked.PID != 0 {
		return fmt.Sprintf("stop that one first: kill %d, and wait until it has drained", locked.PID)
	}

	if hint := clientHint(err); hint != "" {
		return hint
	}

	if errors.Is(err, app.ErrUnfinished) {
		return "errors/ says why files failed, the log why they are held; those in deferred/ are tried again by the next run"
	}

	return ""
}

// code returns the exit code for err: the gravest of what it wraps.
func code(err error) int {
	_, locked := errors.AsType[*spool.LockedError](err)
	_, unfit := errors.AsType[*spool.UnfitError](err)
	_, newer := errors.AsType[*journal.NewerError](err)
	f, isFault := errors.AsType[*fault](err)
	_, listened := errors.AsType[*app.SocketTakenError](err)
	_, deaf := errors.AsType[*app.ListenError](err)
	daemons, isDaemons := clientCode(err)

	switch {
	case err == nil:
		return codeOK
	case errors.Is(err, job.ErrUntrusted):
		return codeUntrusted
	case isFault:
		return f.code
	case isDaemons:
		return daemons
	case locked, listened:
		return codeTaken
	case unfit, newer, deaf:
		return codeConfig
	case errors.Is(err, job.ErrDisk):
		return codeUntrusted
	}

	return codeNotSo
}
