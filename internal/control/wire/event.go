package wire

import "importerd/internal/job"

// Kind says what an event tells.
type Kind string

// The kinds of events of the monitor.
const (
	KindEnded   Kind = "ended"   // a job has ended, and that is true after a power cut; once for each end
	KindChanged Kind = "changed" // a job that has not ended is in a new state or has made progress; some may be left out
	KindUnknown Kind = "unknown" // there is no job of an id that was asked for
	KindReady   Kind = "ready"   // all that had ended before was told; what follows is live
	KindReset   Kind = "reset"   // the cursor is of a journal that is gone: what follows is the present state
	KindEnd     Kind = "end"     // the last event of a connection; reason says why, reconnect with the last cursor
)

// Event is one message of the monitor: one text frame of a WebSocket, or the
// data of one server-sent event, whose id is Cursor.
type Event struct {
	Kind   Kind    `json:"kind"`
	Job    *Job    `json:"job,omitempty"`
	ID     *job.ID `json:"id,omitempty"`     // of an unknown job
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
