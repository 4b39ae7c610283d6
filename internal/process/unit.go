package process

import (
	"time"

	"importerd/internal/job"
)

// unit is one file on its way through the pool. It belongs to whoever received
// it last.
type unit struct {
	rec     job.Record
	file    job.File      // as last seen
	started time.Time     // when the loop gave it a slot; rec belongs to the attempt from then on
	serial  uint64        // which attempt of the pool it is, from 1
	label   string        // the name of its file when it got the slot
	from    job.Folder    // where it is taken from: the inbox, or deferred/
	inside  bool          // the file is in processing/: the unit must be finished
	flush   bool          // its content may not be on the disk yet
	gone    bool          // there is no file in processing/ any more
	results bool          // results wait to be published
	verdict job.Verdict   // on the last attempt; empty: no attempt was made
	wait    time.Duration // where no attempt was made: how long until the next look
	err     error         // why the file could not be taken or the attempt not be made
}

// heldFile is a file that is not taken until it changes.
type heldFile struct {
	file job.File
	why  string
}

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

// again makes the unit wait for wait without an attempt having been made.
func (u *unit) again(wait time.Duration, err error) {
	u.wait, u.err = wait, err
}
