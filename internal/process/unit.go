package process

import (
	"time"

	"importerd/internal/job"
)

// unit is one file on its way through the pool. It belongs to whoever received
// it last.
type unit struct {
	rec       job.Record
	file      job.File      // as last seen
	started   time.Time     // when the loop gave it a slot; rec belongs to the attempt from then on
	trigger   bool          // it is one
	arrived   time.Time     // ctime of its file in the inbox; zero: it did not come from there
	first     bool          // no attempt was made before this one, or none since a retry
	turn      uint64        // which file of the pool it is, from 1; 0: it did not come from the inbox
	serial    uint64        // which attempt of the pool it is, from 1
	label     string        // the name of its file when it got the slot
	from      job.Folder    // where it is taken from: the inbox, or deferred/
	at        job.Folder    // where its file lies as the finisher gets it; empty: in processing/
	grip      *grip         // on its attempt; nil: none was begun
	ready     *attempt      // made ready for its slot; nil: none was
	rules     *rules        // that hold for its attempt; nil: none was begun
	looked    time.Time     // when it was last found whole, in the inbox
	lease     job.Lease     // on its file since then; nil: none was taken
	taken     time.Time     // when it was in processing/, and its file the very one; zero: that is not known
	stale     bool          // it was found ready under other rules than those that hold now
	wish      job.Wish      // what a person wants of it, as the loop knows
	inside    bool          // the file is in processing/: the unit must be finished
	flush     bool          // its content may not be on the disk yet
	gone      bool          // there is no file to be moved any more
	results   bool          // results wait to be published
	undropped bool          // the journal holds a job of it that never came to be
	moved     bool          // the finisher has moved its file
	trial     bool          // started while the disk refuses: the loop wants to know whether it still does
	nothing   bool          // it was taken for a dropping and is none: nothing is told
	note      []byte        // for the operator, of a job that has failed
	notify    notify        // what tells it
	owed      bool          // the operator is still to be told; the journal keeps the move open until then
	verdict   job.Verdict   // on the last attempt; empty: no attempt was made
	wait      time.Duration // where no attempt was made: how long until the next look
	err       error         // why the file could not be taken or the attempt not be made
	numbered  bool          // its end may have been told under its Cursor, and keeps it
	stuck     bool          // it was told that it is committing
	undo      *job.Record   // what it is again if its file is not there to be moved; nil: that is its end
	undone    bool          // that has come about
	done      chan struct{} // the loop closes it when the finisher has done with the unit; nil: nobody waits
}

// source returns where the file is taken from by the finisher.
func (u *unit) source() job.Folder {
	if u.at == "" {
		return job.ProcessingFolder
	}

	return u.at
}

// fulfil carries out on a job that would wait what a person wants of it.
func (u *unit) fulfil(wish job.Wish, now time.Time) {
	if u.rec.State != job.Deferred {
		return
	}

	switch wish {
	case job.WishPause:
		u.rec.State = job.Paused
	case job.WishTerminate:
		u.end(now)
	case job.NoWish:
	}
}

// end makes the unit one of a job that a person has ended.
func (u *unit) end(now time.Time) {
	u.verdict = job.Ended
	u.rec.State, u.rec.FinishedAt, u.rec.Error = job.Terminated, now, errEnded
}

// errEnded is the reason of jobs that were terminated.
const errEnded = "terminated by a person"

// heldFile is a file that is not taken until it changes.
type heldFile struct {
	file  job.File
	why   string    // for people
	again time.Time // tried again then although it has not changed; zero: never
}

// immovableEvery is how often it is tried again to claim a file that could not be
// moved. What forbids it may be the directory: then nothing changes at the file.
const immovableEvery = 30 * time.Second

// maxHeld bounds the files whose content the disk refused and that are
// remembered for it. Beyond that the disk is broken, and claims wait.
const maxHeld = 4096

// newUnit returns a unit for a file found in folder from.
func newUnit(spool string, from job.Folder, f job.File) *unit {
	now := time.Now()

	return &unit{
		rec: job.Record{
			ID: job.NewID(), Spool: spool, Name: f.Name, File: f.Name,
			Size: f.Size, CreatedAt: now, State: job.Processing,
		},
		file: f, from: from,
	}
}

// arrival returns when the file came: into the inbox, through the API, or back by
// a retry, which is due at once.
func (u *unit) arrival() time.Time {
	switch {
	case !u.arrived.IsZero():
		return u.arrived
	case u.rec.DueAt.After(u.rec.CreatedAt):
		return u.rec.DueAt
	}

	return u.rec.CreatedAt
}

// guarded says whether the kernel has kept writers from the file from when it was last
// found whole until after its claim, and that a moment ago. It does so no longer.
func (u *unit) guarded() bool {
	if u.lease == nil {
		return false
	}

	until := u.lease.GiveBack()
	u.lease = nil

	return !u.taken.IsZero() && !until.Before(u.taken) && time.Since(until) < freshFor
}

// see notes how the file is now.
func (u *unit) see(f job.File) {
	u.file, u.rec.Seen, u.rec.Size = f, f, f.Size
}

// again makes the unit wait for wait without an attempt having been made.
func (u *unit) again(wait time.Duration, err error) {
	u.wait, u.err = wait, err
}

// vanish notes that there is no file to be moved any more, and why. A job
// that was to be tried again has failed then.
func (u *unit) vanish(why string) {
	u.gone, u.rec.File, u.rec.Moving = true, "", nil

	if u.rec.State != job.Deferred && u.rec.State != job.Paused {
		return
	}

	u.rec.State, u.rec.FinishedAt = job.Failed, time.Now()

	if u.rec.Error != "" {
		why = u.rec.Error + "; " + why
	}

	u.rec.Error = why
}
