package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Spool is what the operator wrote of one spool. The zero value is of no use:
// begin with Default.
type Spool struct {
	Name      string            // letters, digits, - _ and dots
	Dir       string            // absolute path of the spool's directory
	Inbox     string            // absolute path; empty: inbox/ in Dir
	Match     []string          // globs of the names to be taken; none: all
	Command   []string          // program and arguments, {} for the file's path; none: there is a Worker
	Worker    []string          // program and arguments of long-lived processes; none: there is a Command
	Env       map[string]string // added to the handler's environment
	Cwd       string            // the handler's working directory; empty: Dir
	OnFailed  []string          // program and arguments to run when a job failed; none: nothing is run
	Workers   int               // commands at a time, or processes of the Worker
	Inflight  int               // jobs at a time on each process of the Worker
	Ready     Ready             // when a file is whole
	Marker    string            // suffix of the markers that ReadyMarker waits for
	Order     Order             // of the files that one sweep finds
	Settle    time.Duration     // quiet time where the kernel does not say who writes
	Linger    time.Duration     // quiet time after a write that was seen
	Sweep     time.Duration     // from one full look at the inbox to the next
	Drain     time.Duration     // how long a stop waits for what runs
	Attempts  int               // after so many a job fails
	Backoff   Backoff           // waits between them
	Timeout   time.Duration     // of one attempt; 0: none
	KillAfter time.Duration     // from SIGTERM to SIGKILL
	Results   bool              // whether the handler gets a directory for results
	Keep      Keep              // how long what has ended is kept
	Limits    Limits            // how much one attempt may have
}

// Ready says when a file is taken for whole.
type Ready string

// The ways to tell that a file is whole.
const (
	ReadyAuto   Ready = "auto"   // nobody has it open for writing
	ReadySettle Ready = "settle" // quiet time alone
	ReadyMarker Ready = "marker" // as auto, and its marker is there
)

// Order says which of the waiting files come first.
type Order string

// The orders of the files that one sweep finds.
const (
	OrderNone Order = "none" // as the directory gives them
	OrderAge  Order = "age"  // the oldest first
	OrderName Order = "name" // by name
)

// Default returns a spool with all defaults. It lacks a name, a directory and a
// command.
func Default() Spool {
	return Spool{
		Workers:   1,
		Inflight:  1,
		Ready:     ReadyAuto,
		Marker:    ".done",
		Order:     OrderNone,
		Settle:    2 * time.Second,
		Linger:    250 * time.Millisecond,
		Sweep:     5 * time.Second,
		Drain:     time.Minute,
		Attempts:  8,
		Backoff:   Backoff{Min: 2 * time.Second, Max: 10 * time.Minute},
		KillAfter: 10 * time.Second,
		Keep:      Keep{Logs: 7 * day},
	}
}

// Validate joins all that is missing or impossible, each beginning with its key.
func (s Spool) Validate() error {
	var all []error

	if err := checkName(s.Name); err != nil {
		all = append(all, fmt.Errorf("name: %w", err))
	}

	for _, p := range s.problems() {
		all = append(all, fmt.Errorf("%s: %w", p.key, p.err))
	}

	return errors.Join(all...)
}

// InboxDir returns the path of the inbox, wherever it is.
func (s Spool) InboxDir() string {
	if s.Inbox != "" {
		return s.Inbox
	}

	return filepath.Join(s.Dir, "inbox")
}

// Slots returns how many jobs are handled at a time.
func (s Spool) Slots() int { return s.Workers * max(s.Inflight, 1) }

// maxSlots is the most that Slots may be.
const maxSlots = 8192

// handlerProblems returns what does not go together in the keys of the handler.
func (s Spool) handlerProblems() []problem {
	switch {
	case len(s.Command) == 0 && len(s.Worker) == 0:
		return []problem{{key: "command", err: errors.New("is missing: write the program and its arguments")}}
	case len(s.Command) > 0 && len(s.Worker) > 0:
		return []problem{{key: "worker", err: errors.New("there is a command besides: write one of the two")}}
	case len(s.Command) > 0 && s.Inflight > 1:
		return []problem{{key: "inflight", err: errors.New("a command has one file at a time: remove it, or write a worker")}}
	case s.Slots() > maxSlots:
		return []problem{{key: "inflight", err: fmt.Errorf(
			"%d workers with %d jobs each are %d at a time: at most %d are possible",
			s.Workers, s.Inflight, s.Slots(), maxSlots,
		)}}
	}

	return nil
}

// problem is something wrong with the value of a key.
type problem struct {
	key     string
	element string // its number or key; empty: the whole value
	atKey   bool   // the element's key is the mistake
	err     error
}

// problems returns all that is wrong with a spool, but for its name.
func (s Spool) problems() []problem {
	var all []problem

	for _, setting := range Settings() {
		all = append(all, split(setting.Key, setting.bind(&s).check())...)
	}

	all = append(all, s.handlerProblems()...)

	for _, p := range all {
		if p.key == "dir" || p.key == "inbox" {
			return all
		}
	}

	if err := checkInbox(s); err != nil {
		all = append(all, problem{key: "inbox", err: err})
	}

	return all
}

// split returns a problem for each error that err joins.
func split(key string, err error) []problem {
	if err == nil {
		return nil
	}

	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []problem
		for _, err := range joined.Unwrap() {
			all = append(all, split(key, err)...)
		}

		return all
	}

	p := problem{key: key, err: err}

	if element, ok := errors.AsType[*elementError](err); ok {
		p.element, p.atKey = element.key, element.atKey
	}

	return []problem{p}
}
