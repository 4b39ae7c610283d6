package job

import "time"

// Flushed is what became of the flush of one file of several.
type Flushed struct {
	At    int   // its place among the files
	Err   error // why it is not to be taken; nil: its content is on the disk
	Lease Lease // nil: none is held on it
}

// Lease keeps whoever opens a file to write it waiting. It ends by itself after some
// milliseconds.
type Lease interface {
	// GiveBack ends it, if it has not ended yet, and returns until when nobody has opened
	// the file to write it, nor has begun to, since it was found whole; zero: that is not known.
	GiveBack() time.Time
}
