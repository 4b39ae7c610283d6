package wire

import "importerd/internal/job"

// Code says to programs what went wrong.
type Code string

// The codes. In brackets the HTTP status each comes with.
const (
	CodeBadRequest   Code = "bad_request"        // [400] the request makes no sense; the message says what to do
	CodeBadName      Code = "bad_name"           // [400] no file may have that name
	CodeUnauthorized Code = "unauthorized"       // [401] the bearer token is missing or wrong
	CodeForbidden    Code = "forbidden"          // [403] not from this host or origin
	CodeNotFound     Code = "not_found"          // [404] no such path, spool or job
	CodeMethod       Code = "method_not_allowed" // [405]
	CodeConflict     Code = "conflict"           // [409] the job's state does not allow it
	CodeTooLarge     Code = "too_large"          // [413]
	CodeBadConfig    Code = "bad_config"         // [422] the configuration file is wrong; nothing was changed
	CodeTooMany      Code = "too_many_requests"  // [429]
	CodeInternal     Code = "internal"           // [500] our own mistake
	CodeUnsupported  Code = "unsupported"        // [501] this daemon cannot do it
	CodeBusy         Code = "busy"               // [503] a trigger of the spool has not ended
	CodePaused       Code = "paused"             // [503] the spool is paused
	CodeDraining     Code = "draining"           // [503] the daemon is about to end
	CodeDegraded     Code = "degraded"           // [503] the spool, or all of the daemon, does not work at the moment
	CodeDisk         Code = "disk"               // [507] the disk refuses it; nothing was changed
)

// Error is the JSON of every answer that is no success.
type Error struct {
	Error Fault `json:"error"`
	// ID and State are those of the job that it is about, where there is one.
	ID    *job.ID   `json:"id,omitempty"`
	State job.State `json:"state,omitempty"`
}

// Fault is what went wrong, for programs and for people.
type Fault struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}
