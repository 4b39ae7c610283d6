package job

import (
	"errors"
	"fmt"
)

// Verb is what a person may want of a job.
type Verb string

// The verbs.
const (
	Pause     Verb = "pause"     // freeze it where it is, until Resume
	Resume    Verb = "resume"    // let it go on
	Terminate Verb = "terminate" // end it for good
	Retry     Verb = "retry"     // bring one that has failed or was terminated back
)

// Wish is what a person wants of a job and has not come about yet. It is kept in
// the journal: it outlives the daemon.
type Wish string

// The wishes.
const (
	NoWish        Wish = ""
	WishPause     Wish = "pause"
	WishTerminate Wish = "terminate"
)

// Origin is how a job came to be.
type Origin string

// The origins.
const (
	Dropped   Origin = ""        // its file was found in a folder
	Uploaded  Origin = "upload"  // its file was accepted through the API
	Triggered Origin = "trigger" // its file is the body of a start request
)

// Reasons for which a spool does not do what it is asked to.
var (
	// ErrPaused says that a person has paused the spool.
	ErrPaused = errors.New("the spool is paused")
	// ErrDraining says that the daemon is about to end.
	ErrDraining = errors.New("the daemon is draining")
	// ErrDegraded says that the spool does not work at the moment.
	ErrDegraded = errors.New("the spool is degraded")
)

// StateError says that a verb makes no sense in the state in which a job is.
type StateError struct {
	ID    ID
	State State
	Verb  Verb
	Why   string // in addition, for people; empty: the state says it all
}

// Error says it for people.
func (e *StateError) Error() string {
	text := fmt.Sprintf("job %s is %s: it cannot be %sd", e.ID, e.State, past(e.Verb))
	if e.Why != "" {
		text += ": " + e.Why
	}

	return text
}

// past returns the verb so that a d makes it past.
func past(v Verb) string {
	if v == Retry {
		return "retrie"
	}

	return string(v)
}

// BusyError says that a spool's trigger has not ended.
type BusyError struct {
	ID    ID // of the trigger
	State State
}

// Error says it for people.
func (e *BusyError) Error() string {
	return fmt.Sprintf("busy: the trigger %s is %s", e.ID, e.State)
}

// KnownError says that there is a job of that id already.
type KnownError struct{ ID ID }

// Error says it for people.
func (e *KnownError) Error() string { return fmt.Sprintf("job %s is known already", e.ID) }
