package keep

import (
	"context"
	"iter"
	"time"

	"importerd/internal/job"

	"github.com/rs/zerolog"
)

// Config is what the operator decides.
type Config struct {
	Done      time.Duration // keep done jobs so long; 0: for ever
	Failed    time.Duration // the same of failed and terminated ones
	Logs      time.Duration // keep logs of done jobs so long
	Space     int64         // and no more of them than so many bytes of the disk
	BeatEvery time.Duration // how often the loop comes round at least
}

// Deps are the things a Keeper works with.
type Deps struct {
	Folders Folders
	Logs    Logs
	History History
	Wall    func() time.Time // the wall clock, without a monotonic reading
	Pulse   Pulse            // tells the watchdog that the loop comes round
	Log     zerolog.Logger
}

// Folders are where the files of jobs that have ended lie. What is not there is
// fs.ErrNotExist.
type Folders interface {
	// Stat says what name is; job.ErrNotRegular with what is known of it.
	Stat(folder job.Folder, name string) (job.File, error)
	// RemoveFile removes a file from done/ or failed/; job.ErrOther if anything
	// has happened to it since it was seen as f.
	RemoveFile(folder job.Folder, f job.File) error
	// RemoveResults removes the directory f in results/ with all that is in it,
	// job.ErrOther: it is another thing by now; and what an earlier call for the
	// job has left behind. With a zero f only that.
	RemoveResults(ctx context.Context, id job.ID, f job.File) error
	// RemoveNote removes the note on the file name in failed/.
	RemoveNote(name string) error
	// Sync flushes folders. It fails for good, with job.ErrUntrusted.
	Sync(folders ...job.Folder) error
}

// Log is the log of one job.
type Log struct {
	Job   job.ID
	Space int64     // bytes of the disk that it takes
	Mtime time.Time // when the last was written to it
}

// Logs are the logs of all jobs.
type Logs interface {
	// Logs yields all of them, in any order.
	Logs() iter.Seq2[Log, error]
	Log(id job.ID) (Log, error)
	RemoveLog(id job.ID) error
}

// History is the journal. Its errors wrap job.ErrDisk, which may pass, or
// job.ErrUntrusted.
type History interface {
	// Ended returns up to n jobs that ended in a state before a time and whose
	// file's last move is confirmed. The oldest come first.
	Ended(state job.State, before time.Time, n int) ([]job.Record, error)
	// Later calls yield for each job in a state that did not end before a time
	// and was dropped under one of the names, until that says false.
	Later(state job.State, since time.Time, names map[string]bool) iter.Seq2[job.Record, error]
	// State returns that of a job; fs.ErrNotExist: there is none.
	State(id job.ID) (job.State, error)
	// Lasting yields all jobs but those that are done.
	Lasting() iter.Seq2[job.ID, error]
	// Remove forgets jobs for good.
	Remove(ids ...job.ID) error
}

// Pulse tells a watchdog that a loop comes round.
type Pulse interface {
	// Beat says that the loop has come round.
	Beat()
	// Waiting says that the loop waits for the disk, until Back: that is alive.
	Waiting()
	Back()
}
