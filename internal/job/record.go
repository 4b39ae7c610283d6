package job

import "time"

// Record is all that is known of one job. Times are wall-clock times as shown
// to people; waits are measured otherwise.
type Record struct {
	ID            ID
	Spool         string // the spool's name
	Name          string // the file's name as dropped
	File          string // its name in the folder of its state, often the same; empty: there is no file any more
	State         State
	Moving        *Move // the move that brings the file to where State says, not confirmed yet; nil: it lies there
	Seen          File  // the file as last seen in one of our folders; tells it from another one of its name
	Attempt       int   // attempts used up or running, from 1; 0: none yet
	Interruptions int   // attempts ended by the daemon's stop or death
	Crashes       int   // of these, by its death
	Busy          int   // how often in a row its file was found open for writing when an attempt was due
	Size          int64
	CreatedAt     time.Time
	StartedAt     time.Time // of the last attempt; zero: none yet
	FinishedAt    time.Time // zero: not ended
	DueAt         time.Time // of a deferred job: not before this; zero: at once
	Exit          *Exit     // how the last attempt ended; nil: none has
	Error         string    // why the job is where it is, for people; empty where all is well
	Results       string    // name of its directory in results/; empty: none
	Checkpoint    string    // as the handler last reported
	Changed       bool      // the handler changed the file's content
	Origin        Origin    // how it came to be
	Cursor        int64     // number of its end among all ends of the journal, in the order told; 0: none yet
	// Wish is what a person wants of it. It is only read here: Journal.Wish writes it,
	// and a record of an end or of a pause takes it away.
	Wish Wish
}

// Shown is the state as people see it: a job whose process is frozen is paused,
// although its file is in processing/.
func (r *Record) Shown() State {
	if r.State == Processing && r.Wish == WishPause {
		return Paused
	}

	return r.State
}

// Exit is how an attempt ended.
type Exit struct {
	Code       int           // exit code; -1: it did not exit by itself or was never started
	Signal     string        // the signal it died of, as "SIGKILL"; empty: none
	Err        error         // why it could not be started or looked after; nil: it was
	RetryAfter time.Duration // wait that the handler asked for; zero: none
	Took       time.Duration // from start to end, monotonic
	Tail       []byte        // the last lines of its output, at most a few KiB
	// OOM says, for people, that the kernel has ended a process of it for want of memory,
	// and whose: "out of memory, limit 512M"; empty: it has not. No journal keeps it, the
	// record's Error does.
	OOM string
	// MaxMemory is how many bytes all its processes together had at most at one time,
	// the files that they read included; zero: not known.
	MaxMemory int64
	// CPU is the time that its processes had a processor; without a cgroup only of those
	// that were waited for. Zero: not known.
	CPU time.Duration
}

// Verdict is what an attempt's end means for its job.
type Verdict string

// The verdicts. All but Refused leave the attempt unused.
const (
	Succeeded   Verdict = "succeeded"   // to done/
	Refused     Verdict = "refused"     // an attempt used; later again, or to failed/
	Later       Verdict = "later"       // without using an attempt, as often as it takes
	Rejected    Verdict = "rejected"    // the file is bad: to failed/ at once
	Broken      Verdict = "broken"      // the handler cannot work at all
	Interrupted Verdict = "interrupted" // the daemon ended it; due again at once
	Ended       Verdict = "ended"       // a person ended it for good
)
