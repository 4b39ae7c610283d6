package wire

import (
	"time"

	"importerd/internal/job"
)

// Spool says how one spool stands.
type Spool struct {
	Name    string `json:"name"`
	Dir     string `json:"dir"`
	Inbox   string `json:"inbox"`
	Workers int    `json:"workers"` // how many jobs may run at a time

	// With long-lived workers instead of a command:
	Processes  int `json:"processes,omitempty"`   // of them that are there
	Unexpected int `json:"worker_ends,omitempty"` // of them that have ended unasked, since the session began

	Paused   bool   `json:"paused"`             // by a person
	Draining bool   `json:"draining"`           // the daemon is about to end
	Degraded string `json:"degraded,omitempty"` // why it does not work, or not as it should
	Broken   string `json:"broken,omitempty"`   // why the handler cannot work
	Disk     string `json:"disk,omitempty"`     // what the disk refuses

	// Inbox: files that are no jobs yet.
	Waiting     int        `json:"waiting"`                // ready or settling; more: see exhausted
	Settling    int        `json:"settling"`               // of these
	Ignored     int        `json:"ignored"`                // not for us
	Held        int        `json:"held"`                   // not taken for a reason that a person should know
	OldestAt    time.Time  `json:"oldest_at,omitzero"`     // ctime of the one that waits longest
	Reasons     []Reason   `json:"reasons,omitempty"`      // why files are passed over, with one example each
	Running     int        `json:"running"`                // jobs whose handler runs, paused ones too
	Committing  int        `json:"committing"`             // ended, not yet written
	Deferred    int        `json:"deferred"`               // wait for their next attempt
	PausedJobs  int        `json:"paused_jobs"`            // frozen, or paused in deferred/
	LongestAt   time.Time  `json:"longest_at,omitzero"`    // start of the attempt that runs longest
	Later       int        `json:"later"`                  // put off at the handler's own wish, since the start
	Interrupted int        `json:"interrupted"`            // attempts, since the start
	Jobs        StateCount `json:"jobs"`                   // ended, in the journal
	DoneJobs    int        `json:"done_jobs"`              // done since the start
	DoneBytes   int64      `json:"done_bytes,omitempty"`   // bytes of the jobs done since the start
	DoneSize    int64      `json:"done_size,omitempty"`    // bytes of all jobs done, in the journal; none: not known
	KeepDone    float64    `json:"keep_done,omitempty"`    // seconds that files are kept in done/; none: for ever
	LastError   string     `json:"last_error,omitempty"`   // of the last job that failed
	LastErrorAt time.Time  `json:"last_error_at,omitzero"` // when it did
	LastFailed  *job.ID    `json:"last_failed,omitempty"`  // which it is
	Trigger     *job.ID    `json:"trigger,omitempty"`      // the start request that has not ended
	Isolation   Isolation  `json:"isolation,omitempty"`    // what keeps an attempt together
	Events      bool       `json:"events"`                 // the kernel tells of new files; else sweeps find them
	Sweeps      uint64     `json:"sweeps"`                 // full looks at the inbox since the start
	EventsLost  uint64     `json:"events_lost"`            // times that the kernel lost events, since the start
	StartedAt   time.Time  `json:"started_at,omitzero"`    // when this session of the spool began
	JournalSize int64      `json:"journal_size,omitempty"` // bytes
}

// Isolation is what keeps the processes of an attempt together, so that they are frozen
// and ended as one.
type Isolation string

// The means.
const (
	Cgroup       Isolation = "cgroup"        // nobody gets away, and limits hold
	ProcessGroup Isolation = "process group" // a process that makes a session of its own gets away
)

// StateCount is how many jobs ended in each way.
type StateCount struct {
	Done       int `json:"done"`
	Failed     int `json:"failed"`
	Terminated int `json:"terminated"`
}

// Reason is why files of the inbox are passed over.
type Reason struct {
	Standing job.Standing `json:"standing"`
	Text     string       `json:"text"`
	Files    int          `json:"files"`
	Example  string       `json:"example,omitempty"`
}

// Spools is the answer to GET /v1/spools.
type Spools struct {
	Daemon Daemon  `json:"daemon"`
	Spools []Spool `json:"spools"`
}

// Daemon says how the daemon stands.
type Daemon struct {
	Version     string    `json:"version,omitempty"`
	PID         int       `json:"pid,omitempty"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	Draining    bool      `json:"draining"`               // it is about to end
	ReloadedAt  time.Time `json:"reloaded_at,omitzero"`   // when the configuration that holds was read
	ReloadError string    `json:"reload_error,omitempty"` // why a later one could not be taken; none: it could
}

// Reloaded is the answer to POST /v1/reload: what has changed, by the names of the
// spools.
type Reloaded struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"` // they drain
	Changed []string `json:"changed"`
	// Restart are the settings of the daemon that are others now, and for which it has to
	// be restarted: the ones before hold.
	Restart []string `json:"restart,omitempty"`
}

// Jobs is the answer to GET /v1/jobs, newest first.
type Jobs struct {
	Jobs []Job `json:"jobs"`
	// After, given as the parameter after, answers with the next page; none: this was the last one.
	After string `json:"after,omitempty"`
	// Missing are the spools that do not work at the moment: their jobs, which should
	// be here, are not.
	Missing []string `json:"missing,omitempty"`
}

// Bulk is the body of POST /v1/jobs/retry and terminate: which jobs. A field that
// is not given does not narrow the choice; Spool is needed.
type Bulk struct {
	Spool string `json:"spool"`
	Since string `json:"since,omitempty"` // a duration: ended (or, not ended, come to be) so long ago at most
	Match string `json:"match,omitempty"` // a glob for names as dropped
	After string `json:"after,omitempty"` // of the answer before: go on behind it
}

// BulkAnswer says what became of each job of a Bulk.
type BulkAnswer struct {
	Jobs    []Job   `json:"jobs"`    // as they are now
	Refused []Error `json:"refused"` // those for which it could not be done, with their ids
	// After says that there are more than one answer takes: ask again with it. None:
	// these were all.
	After string `json:"after,omitempty"`
}

// Explanation is the answer to GET /v1/explain: where the file of a name is and why.
type Explanation struct {
	Spool    string       `json:"spool"`
	Name     string       `json:"name"`
	NameB64  string       `json:"name_b64,omitempty"`
	Standing job.Standing `json:"standing,omitempty"` // of the file in the inbox; none: there is none
	Reason   string       `json:"reason,omitempty"`   // for it
	Until    float64      `json:"until,omitempty"`    // seconds that the wait lasts if nothing happens
	Jobs     []Job        `json:"jobs"`               // of files of that name, the newest ones, newest first
}

// ExplanationOf returns how the file of a name in the inbox stands, without jobs.
func ExplanationOf(spool, name string, r job.Reason) Explanation {
	e := Explanation{Spool: spool, Standing: r.Standing, Reason: r.Text, Until: r.Until.Seconds(), Jobs: []Job{}}
	e.Name, e.NameB64 = Forms(name)

	return e
}
