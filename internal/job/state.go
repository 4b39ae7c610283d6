package job

import "slices"

// State is where a job stands.
type State string

// The states of a job.
const (
	Processing State = "processing" // its handler runs, or is about to
	Committing State = "committing" // the handler has ended; its outcome or its move could not be written yet
	Deferred   State = "deferred"   // waits for its next attempt
	Paused     State = "paused"     // frozen by a person
	Done       State = "done"       // finished well
	Failed     State = "failed"     // given up
	Terminated State = "terminated" // ended for good by a person
)

// Folder is one of the directories of a spool; its text is the directory's name.
type Folder string

// The folders of a spool. What each holds is told in package spool.
const (
	InboxFolder      Folder = "inbox"
	ProcessingFolder Folder = "processing"
	DeferredFolder   Folder = "deferred"
	DoneFolder       Folder = "done"
	FailedFolder     Folder = "failed"
	ErrorsFolder     Folder = "errors"
	ResultsFolder    Folder = "results"
	OwnFolder        Folder = ".importerd"
)

// moves is the table of allowed moves: from each state the ones that may follow.
var moves = map[State][]State{ //nolint:gochecknoglobals // a table that nobody writes to
	Processing: {Committing, Deferred, Paused, Done, Failed, Terminated},
	Committing: {Deferred, Done, Failed, Terminated},
	Deferred:   {Processing, Paused, Failed, Terminated},
	Paused:     {Processing, Deferred, Failed, Terminated},
	Done:       {},
	Failed:     {Deferred},
	Terminated: {Deferred},
}

// May says whether a job in state s may next be in state to. Deferred follows
// Failed and Terminated by a retry; nothing follows Done.
func (s State) May(to State) bool {
	return slices.Contains(moves[s], to)
}

// Ended says whether a job in state s waits for nothing any more.
func (s State) Ended() bool { return s == Done || s == Failed || s == Terminated }

// Folder returns the folder in which the file of a job in state s lies. A
// paused job's file is in processing/ while its process is frozen, and in
// deferred/ after a drain or a crash; Folder answers for the latter.
func (s State) Folder() Folder {
	switch s {
	case Processing, Committing:
		return ProcessingFolder
	case Deferred, Paused:
		return DeferredFolder
	case Done:
		return DoneFolder
	case Failed, Terminated:
		return FailedFolder
	}

	panic("bug: no such state: " + string(s))
}
