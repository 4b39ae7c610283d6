package spool

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// Spool is one spool, held by this process. Its methods may be called from
// several goroutines; after Close they fail with fs.ErrClosed.
//
// Names are entries of directories: a name that is empty, ".", ".." or holds a
// slash is a bug of the caller and refused with fs.ErrInvalid.
type Spool struct {
	name      string // for messages
	path      string // of the spool, absolute
	inboxPath string // absolute
	elsewhere bool   // the inbox is not inbox/ in the spool: it is never made by us

	root    *dir
	folders map[job.Folder]*dir // all but the inbox
	inbox   atomic.Pointer[dir] // swapped by ReopenInbox
	work    *dir
	aside   *dir
	trials  *dir
	locks   *dir
	holds   holds
	unbegun unbegun
	logs    *dir     // to look at logs and remove them; they are written by path
	scratch *os.Root // work again, to walk whole trees in it

	kind     fsType
	nameMax  int  // bytes
	leases   bool // the kernel tells who writes
	mostFD   int  // files with lower descriptors may be kept open for a moment
	warnings []string

	fsync     func(fd int) error // fsync, other in tests
	queues    aioQueues          // by which many files are flushed at a time
	untrusted atomic.Pointer[error]

	reopening sync.Mutex // one ReopenInbox at a time, however long
	swapping  sync.Mutex // held for moments only
	ended     bool       // guarded by swapping; the inbox stays as it is, to be closed
	noting    sync.Mutex // one WriteNote at a time: they share a temporary name
	closing   sync.Once
}

// Dir returns the absolute path of the spool.
func (s *Spool) Dir() string { return s.path }

// Path returns the absolute path of name in folder, or of the folder if name
// is empty. Nothing is looked up.
func (s *Spool) Path(folder job.Folder, name string) string {
	path := s.path + "/" + string(folder)
	if folder == job.InboxFolder {
		path = s.inboxPath
	}

	if name == "" {
		return path
	}

	return path + "/" + name
}

// Warnings returns what a person should know about this spool although it
// works, one sentence each. It does not change after Open.
func (s *Spool) Warnings() []string { return append([]string(nil), s.warnings...) }

// LeaseWorks says whether the kernel can tell who writes files of this spool.
// If not, Probe answers job.ErrNoLease for all of them.
func (s *Spool) LeaseWorks() bool { return s.leases }

// folder returns the held directory of a folder.
func (s *Spool) folder(folder job.Folder) (*dir, error) {
	if folder == job.InboxFolder {
		return s.inbox.Load(), nil
	}

	if d, ok := s.folders[folder]; ok {
		return d, nil
	}

	return nil, noSuchFolder(folder)
}

// place is folder for a name that is checked besides.
func (s *Spool) place(folder job.Folder, name string) (*dir, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}

	return s.folder(folder)
}

// Close gives the spool back to others. What is under way on a folder ends by
// itself. Closing again does nothing.
func (s *Spool) Close() error {
	var err error

	s.closing.Do(func() { err = s.close() })

	if err != nil {
		return fmt.Errorf("close spool %s: %w", job.Show(s.path), err)
	}

	return nil
}

// close closes whatever is open, the lock last.
func (s *Spool) close() error {
	s.swapping.Lock()
	s.ended = true
	s.swapping.Unlock()

	s.dropSpares()
	s.queues.close()

	if own := s.folders[job.OwnFolder]; own != nil {
		_ = own.unlink(pidFile) // only tells people; a crash leaves it too
	}

	return s.closeAll()
}

// closeAll closes whatever is open and changes nothing.
func (s *Spool) closeAll() error {
	if s.scratch != nil {
		_ = s.scratch.Close() // nothing was written through it
	}

	open := []*dir{s.inbox.Load(), s.work, s.aside, s.trials, s.locks, s.logs}
	for _, d := range s.folders {
		open = append(open, d)
	}

	var first error

	for _, d := range append(open, s.root) {
		if d == nil {
			continue
		}

		if err := d.close(); err != nil && first == nil {
			first = err
		}
	}

	return first
}

// fsInfo asks for the kind of file system and the longest name on it.
func (s *Spool) fsInfo() error {
	return s.root.use(func(fd int) error {
		var stat unix.Statfs_t
		if err := again(func() error { return unix.Fstatfs(fd, &stat) }); err != nil {
			return err
		}

		s.kind = fsTypeOf(uint32(stat.Type))

		s.nameMax = int(stat.Namelen)
		if s.nameMax <= 0 || s.nameMax > job.MaxName {
			s.nameMax = job.MaxName
		}

		return nil
	})
}
