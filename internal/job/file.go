package job

import "time"

// File is what the kernel said of one regular file at one moment. It serves to
// tell later whether a name still means the same file, and whether the file
// has changed. Times come from the file system's clock: compare them only for
// equality, or with each other.
type File struct {
	Name  string // as in its directory: bytes, not always UTF-8
	Dev   uint64 // device number
	Ino   uint64 // inode number
	Size  int64  // bytes
	Mode  uint32 // permission bits
	UID   uint32 // owner
	Mtime time.Time
	Ctime time.Time
	Btime time.Time // birth; zero where the file system keeps none
}

// Same says whether f and g were the same inode, whatever their names.
func (f File) Same(g File) bool { return f.Dev == g.Dev && f.Ino == g.Ino }

// Untouched says whether f and g were the same inode with the same content, as
// far as size and mtime tell. A rename leaves a file untouched.
func (f File) Untouched(g File) bool {
	return f.Same(g) && f.Size == g.Size && f.Mtime.Equal(g.Mtime)
}

// Quiet says whether nothing at all has happened between f and g: as
// Untouched, and the ctime, which no program can set, is the same too.
func (f File) Quiet(g File) bool { return f.Untouched(g) && f.Ctime.Equal(g.Ctime) }

// Standing is how a file in the inbox stands. It is no job yet.
type Standing string

// The standings of a file in the inbox.
const (
	Ready    Standing = "ready"    // whole, waits for a worker
	Settling Standing = "settling" // still being written, or not yet known to be whole
	Ignored  Standing = "ignored"  // not for us: temporary name, no match, not a regular file
	Held     Standing = "held"     // not taken for a reason that a person should know
)

// Reason answers why a file in the inbox is where it is.
type Reason struct {
	Standing Standing
	Text     string // one clause without a full stop, for people: "still open for writing"
	Until    time.Duration
	// Until is how long the wait lasts from now if nothing happens; zero: not known.
}

// The texts of the reasons for which a file in the inbox is passed over.
const (
	ReasonReady       = "ready, waits for a worker"
	ReasonTemporary   = "temporary name"
	ReasonNotRegular  = "not a regular file"
	ReasonNoMatch     = "name matches no pattern of the spool"
	ReasonIsMarker    = "marker of another file"
	ReasonNoMarker    = "waits for its marker"
	ReasonOpen        = "still open for writing"
	ReasonSettling    = "settling"
	ReasonUnreadable  = "unreadable"
	ReasonImmovable   = "cannot be moved: immutable, or in a directory in which only its owner may"
	ReasonIOError     = "input/output error"
	ReasonHusk        = "empty, and older than an unclean boot: its content may be lost; touch it to have it taken"
	ReasonUnderWay    = "an older one of its name is under way"
	ReasonNotWatching = "the spool takes no files at the moment"
	ReasonGone        = "not there"
)

// Move is one change of folder of one job's file.
type Move struct {
	From Folder
	File string // its name in From
	To   Folder
	Name string // the name it shall have in To; where that is taken it becomes WithID(Name, ID)
	ID   ID
}

// OldHandler is a handler of an earlier daemon that may still live.
type OldHandler struct {
	Job     ID        // that of the lock; of a worker it names no job
	Name    string    // of its file in processing/; of a worker empty
	Worker  bool      // it is a worker, which has had any number of jobs
	PID     int       // of the main process, which is the process group too; zero: not known
	Alive   bool      // PID still means that very process: it may be signalled
	Holders []Process // who holds its lock, as far as they are found: often PID among them
}

// Process returns the number of the main process or, if that is not known, of one
// that holds the lock; zero: none is known.
func (h OldHandler) Process() int {
	if h.PID == 0 && len(h.Holders) > 0 {
		return h.Holders[0].PID
	}

	return h.PID
}

// Process is one process of this boot: the number and the start together mean no other.
type Process struct {
	PID   int
	Start uint64 // clock ticks since the boot: field 22 of /proc/PID/stat
}
