package wire

import (
	"errors"
	"fmt"

	"importerd/internal/job"
)

// Kind says what an event tells.
type Kind string

// The kinds of events of the monitor.
const (
	KindEnded   Kind = "ended"   // a job has ended, and that is true after a power cut; once for each end
	KindChanged Kind = "changed" // a job that has not ended is in a new state or has made progress; some may be left out
	KindUnknown Kind = "unknown" // there is no job of an id that was asked for
	KindReady   Kind = "ready"   // all that had ended before was told; what follows is live
	KindReset   Kind = "reset"   // the journal of a spool is another one now: what follows is the present state
	KindEnd     Kind = "end"     // the last event of a connection; reason says why, reconnect with the last cursor
)

// ReasonAllTold is the reason of the end when all jobs that were asked for by their
// ids have ended or are unknown. There is nothing to come back for.
const ReasonAllTold = "all told"

// MaxWatch is how many ids one client may watch.
const MaxWatch = 10_000

// Event is one message of the monitor: one text frame of a WebSocket, or the
// data of one server-sent event, whose id is Cursor.
type Event struct {
	Kind   Kind    `json:"kind"`
	Job    *Job    `json:"job,omitempty"`
	ID     *job.ID `json:"id,omitempty"`     // of an unknown job
	Spool  string  `json:"spool,omitempty"`  // of a reset
	Reason string  `json:"reason,omitempty"` // of the end
	// Cursor is where the client stands when it has taken this event up. Given as
	// since it makes the monitor go on behind it.
	Cursor string `json:"cursor,omitempty"`
}

// Watch is the first message of a WebSocket client: what it wants to be told of.
// One of Watch, Spool and All.
type Watch struct {
	Watch []job.ID `json:"watch,omitempty"`
	Spool string   `json:"spool,omitempty"`
	All   bool     `json:"all,omitempty"`
	// Since is the last cursor the client got; none: of whole spools only what
	// happens from now on is told, of single jobs also an end before.
	Since string `json:"since,omitempty"`
}

// Check says what is wrong with what a client wants.
func (w Watch) Check() error {
	wants := 0

	for _, wanted := range []bool{len(w.Watch) > 0, w.Spool != "", w.All} {
		if wanted {
			wants++
		}
	}

	switch {
	case wants != 1:
		return errors.New(`say what to watch: {"watch":["ID",...]} or {"spool":"NAME"} or {"all":true}`)
	case len(w.Watch) > MaxWatch:
		return fmt.Errorf("%d ids are too many for one client: at most %d", len(w.Watch), MaxWatch)
	}

	return nil
}
