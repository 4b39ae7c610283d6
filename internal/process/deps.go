package process

import (
	"context"
	"io"
	"iter"
	"os"
	"syscall"
	"time"

	"importerd/internal/handler"
	"importerd/internal/job"

	"github.com/rs/zerolog"
)

// Config is what the operator decides about one spool's work.
//
// Where handlers are Shared the handler itself holds their locks: a job has none of its
// own. One job cannot be paused while it runs. Its time begins when the handler says
// that it was started, not while it waits for its turn.
type Config struct {
	Spool     string        // its name
	Workers   int           // handlers at once
	Attempts  int           // before a job is given up
	Backoff   Backoff       // waits between attempts
	Timeout   time.Duration // of one attempt; zero: none
	KillAfter time.Duration // from SIGTERM to SIGKILL for handlers of an earlier daemon
	Ordered   bool          // files are started in the order in which they are taken over
	Results   bool          // handlers get a directory for results
	Shared    bool          // handlers are processes that attempts share, see below
	Marker    string        // suffix of markers, removed after the claim; empty: none
	BeatEvery time.Duration // how often the loops come round at least
}

// Deps are the things a Pool works with.
type Deps struct {
	Folders Folders
	Lister  Lister
	Intake  Intake
	Locks   Locks
	Results Results
	Papers  Papers
	Reserve Reserve
	Journal Journal
	Index   Index
	Births  Births
	Wishes  Wishes
	Teller  Teller // nil: nobody listens
	Handler handler.Handler
	// Ready is where files come from. The watcher sends and nobody closes it.
	Ready <-chan []job.File
	// Look asks the watcher to look at a name again. It does not block.
	Look func(name string)
	// Notify runs the operator's on_failed command; nil: there is none.
	Notify func(ctx context.Context, rec job.Record, note []byte) error
	// Kill is closed when handlers are to be killed without any grace.
	Kill <-chan struct{}
	// LoopPulse, FinishPulse and NotifyPulse tell the watchdog that the three loops
	// come round.
	LoopPulse, FinishPulse, NotifyPulse Pulse
	Log                                 zerolog.Logger
	// LogTo takes several whole lines of Log at a time; nil: each is written by itself.
	LogTo io.Writer
}

// Intake is the inbox as the pool sees it.
type Intake interface {
	// Claim takes a file by one rename into processing/.
	Claim(f job.File) (job.File, error)
	// FlushAll is Flush in the inbox for several files at a time. It tells of each once,
	// in groups as they are done, perhaps several at a time, and returns when all are told.
	FlushAll(files []job.File, done func(group []job.Flushed))
	// DropMarker removes the marker of a claimed file.
	DropMarker(name string) error
}

// Folders are the spool's folders as the pool sees them.
type Folders interface {
	Probe(folder job.Folder, name string) (job.File, error)
	// Flush brings a file's content to the disk. It may take minutes. In the inbox it
	// first makes sure that the file is whole and still as f says.
	Flush(folder job.Folder, f job.File) error
	Move(m job.Move) (string, error)
	// Join makes one name of the two that a power cut in the midst of a move can leave;
	// fs.ErrNotExist: there are not two.
	Join(m job.Move) (string, error)
	Sync(folders ...job.Folder) error
}

// Lister tells what lies in the spool's folders.
type Lister interface {
	Names(folder job.Folder) iter.Seq2[string, error]
	Stat(folder job.Folder, name string) (job.File, error)
}

// Locks tell whether a handler of a job still lives.
type Locks interface {
	LockJob(id job.ID, name string) (*os.File, error)
	NoteProcess(lock *os.File, pid int) error
	UnlockJob(id job.ID, lock *os.File) error
	Orphans
}

// Orphans are the handlers of an earlier daemon.
type Orphans interface {
	OldHandlers() ([]job.OldHandler, error)
	// Begun says whether the last attempt on a job was begun, or may have been. It is
	// asked after OldHandlers.
	Begun(id job.ID) bool
	HandlerGone(id job.ID) bool
	// SignalHandlers signals all that is found of them.
	SignalHandlers(ids []job.ID, signals ...syscall.Signal)
}

// Results are the directories in which handlers put what they produce.
type Results interface {
	MakeResults(id job.ID) (string, error)
	// FlushResults brings all that is in the directory to the disk.
	FlushResults(id job.ID) error
	PublishResults(id job.ID, name string) (string, error)
	DropResults(id job.ID) error
}

// Papers are the other things that a spool keeps of a job.
type Papers interface {
	Path(folder job.Folder, name string) string
	LogPath(id job.ID) string
	WriteNote(name string, text []byte) error
	// RemoveNote removes what WriteNote has written.
	RemoveNote(name string) error
	// SetAside takes what is no file out of processing/ and tells where it lies.
	SetAside(name string) (string, error)
}

// Reserve is space on the disk that is kept for outcomes.
type Reserve interface {
	// FillReserve makes the reserve whole again.
	FillReserve() error
	// SpendReserve gives it up.
	SpendReserve() error
}

// Journal writes down what must be known of jobs beyond the folders. Its errors
// wrap job.ErrDisk, which may pass, or job.ErrUntrusted.
type Journal interface {
	// Note records the present state of jobs. When it returns, that survives the
	// death of the daemon; a power cut may undo it.
	Note(recs ...job.Record) error
	// Commit is Note, but durable, as is then all that was noted before: also without
	// any record.
	Commit(recs ...job.Record) error
	// Drop forgets jobs that never came to be.
	Drop(ids ...job.ID) error
	// CutDue brings the times of deferred jobs that are later than limit down to it.
	CutDue(limit time.Time) error
	// MarkStarted records that recovery is complete.
	MarkStarted() error
}

// Births are the beginnings and the ends of jobs in the journal.
type Births interface {
	// Accept records, durably, a job that is new. *job.KnownError: it is not;
	// *job.BusyError: it is a trigger and another one has not ended.
	Accept(rec job.Record) error
	// NextCursor returns a number for an end. They ascend.
	NextCursor() int64
	// Trigger returns a trigger that has not ended, and its state; false: there is none.
	Trigger() (job.ID, job.State, bool)
}

// Wishes are what people want, in the journal. What is written is durable.
type Wishes interface {
	// Wish records what is wanted of jobs that have not ended; job.NoWish: nothing
	// any more. It stays until a record of an end or of a pause comes.
	Wish(w job.Wish, ids ...job.ID) error
	// SetPaused records whether the spool is paused.
	SetPaused(paused bool) error
	Paused() bool
}

// Teller hears what becomes of jobs. Its methods never block.
type Teller interface {
	// Ended tells of an end that is true after a power cut. The ends come in the
	// order of their Cursor. After a crash one may come again, with the same one.
	Ended(rec job.Record)
	// Withhold names jobs whose end the journal holds already, with a Cursor, but
	// which is not true yet: it will come with another, higher one. It is called
	// before anything later is told.
	Withhold(ids []job.ID)
	// Changed tells of a job that has not ended: it is in a new state, or has made
	// progress, which is nil where it is not known.
	Changed(rec job.Record, progress *float64)
	// Started tells that the first attempt on a job has begun, or the first since a
	// retry, and when its file came, or the retry.
	Started(rec job.Record, arrived time.Time)
	// Attempted tells how an attempt ended: rec.Exit says it, nil: the daemon's death
	// has interrupted it. It comes before the outcome is on the disk.
	Attempted(rec job.Record, verdict job.Verdict)
}

// Names says who has a name already.
type Names interface {
	// UnderWay says whether a job of this name, as dropped, has not ended.
	UnderWay(name string) bool
	// Behind says whether an older job of the same name has not ended.
	Behind(id job.ID) bool
}

// Index answers from the journal.
type Index interface {
	Names
	// Get returns a job as it was last noted; fs.ErrNotExist: there is none.
	Get(id job.ID) (job.Record, error)
	// Due returns up to n deferred jobs that are due, the longest due first,
	// and when the next one is; zero: none is. A job whose file is on its way to
	// deferred/ is not due yet.
	Due(now time.Time, n int) ([]job.Record, time.Time, error)
	// Waiting says how many jobs people see as deferred, or as paused.
	Waiting(state job.State) int
	// Unfinished returns all jobs that have not ended, and those whose last move
	// is not confirmed.
	Unfinished() iter.Seq2[job.Record, error]
}

// Past is what is known of the run before this one.
type Past struct {
	// Fresh says that the journal knows nothing: the folders alone tell.
	Fresh bool
	// Cut says that the machine has gone down without a clean stop before: the
	// journal may lack what was not durable.
	Cut bool
}

// Pulse tells a watchdog that a loop comes round.
type Pulse interface {
	// Beat says that the loop has come round.
	Beat()
	// Waiting says that the loop waits for the disk, until Back: that is alive.
	Waiting()
	Back()
	// End says that the loop has ended.
	End()
}
