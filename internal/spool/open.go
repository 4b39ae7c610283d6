package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// Options are what Open may be told.
type Options struct {
	Name  string // the spool's name, for messages; empty: the directory's
	Inbox string // another path for the inbox, on the same mount; empty: inbox/ in the directory
}

// Modes of the folders that we make, before the umask. Those that exist keep theirs.
const (
	privateMode = 0o700
	sharedMode  = 0o750 // and setgid where that is allowed: files get the folder's group
	inboxMode   = 0o770
)

// Open takes the spool at path for this process, makes the folders that are
// missing, and tries out whether files can be moved between all of them.
//
// Errors: fs.ErrNotExist if the directory (or the inbox that o names) is not
// there, which may change when a file system is mounted; *LockedError if
// another process has the spool; *UnfitError if a person must change something;
// job.ErrDisk if the disk refuses something that may work later;
// job.ErrUntrusted if the folders could not be flushed. The lock is taken before anything is changed.
func Open(path string, o Options) (*Spool, error) {
	s, err := newSpool(path, o)
	if err != nil {
		return nil, err
	}

	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open spool %s: %w", job.Show(s.name), withKind(errors.Join(err, s.abandon())))
	}

	return s, nil
}

// newSpool returns a spool of which nothing is open yet.
func newSpool(path string, o Options) (*Spool, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open spool %s: %w", job.Show(path), err)
	}

	s := &Spool{
		name: o.Name, path: abs, inboxPath: filepath.Join(abs, string(job.InboxFolder)),
		folders: map[job.Folder]*dir{}, fsync: fsync, mostFD: spareFD(),
	}

	if s.name == "" {
		s.name = filepath.Base(abs)
	}

	if o.Inbox != "" {
		s.elsewhere = true

		if s.inboxPath, err = filepath.Abs(o.Inbox); err != nil {
			return nil, fmt.Errorf("open spool %s: %w", job.Show(path), err)
		}
	}

	return s, nil
}

// open does all of Open in order; what it has opened stays open on an error.
func (s *Spool) open() error {
	steps := []func() error{
		s.openRoot, s.fsInfo, s.lock, s.openFolders, s.writePID, s.openFirstInbox,
		s.clearTrials, s.clearDrafts, s.tryAll, s.lookRound, s.flushFolders,
	}

	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}

	return nil
}

// abandon closes a spool that could not be opened. A spool that somebody else
// holds is left alone: its pid file is his.
func (s *Spool) abandon() error {
	if s.root == nil {
		return nil
	}

	return s.Close()
}

// openRoot opens the spool's directory, which is never made by us: it may be
// the place of a file system that is not mounted yet.
func (s *Spool) openRoot() error {
	root, err := openDir(unix.AT_FDCWD, s.path, s.path)
	if errors.Is(err, fs.ErrPermission) {
		return noAccess(s.path)
	}

	if err != nil {
		return fmt.Errorf("open %s: %w", job.Show(s.path), err)
	}

	s.root = root

	return nil
}

// modes are the folders in a spool but for the inbox, .importerd/ first.
var modes = []struct { //nolint:gochecknoglobals // a table that nobody writes to
	folder job.Folder
	mode   uint32
}{
	{job.OwnFolder, privateMode},
	{job.ProcessingFolder, privateMode},
	{job.DeferredFolder, privateMode},
	{job.DoneFolder, sharedMode},
	{job.FailedFolder, sharedMode},
	{job.ErrorsFolder, sharedMode},
	{job.ResultsFolder, sharedMode},
}

// openFolders opens the folders in the spool, and ours in .importerd/.
func (s *Spool) openFolders() error {
	for _, f := range modes {
		d, err := s.ensure(s.root, string(f.folder), f.mode)
		if err != nil {
			return err
		}

		s.folders[f.folder] = d

		if f.mode != privateMode {
			continue
		}

		if err := s.checkPrivate(d); err != nil {
			return err
		}
	}

	return s.openOwn()
}

// openOwn opens what lies in .importerd/.
func (s *Spool) openOwn() error {
	own := s.folders[job.OwnFolder]

	var err error

	if s.logs, err = s.ensure(own, "logs", privateMode); err != nil {
		return err
	}

	if s.locks, err = s.ensure(own, "locks", privateMode); err != nil {
		return err
	}

	if s.work, err = s.ensure(own, "work", privateMode); err != nil {
		return err
	}

	if s.aside, err = s.ensure(s.work, "aside", privateMode); err != nil {
		return err
	}

	if s.trials, err = s.ensure(s.work, "trial", privateMode); err != nil {
		return err
	}

	return s.openScratch()
}

// openScratch opens work/ as an os.Root, which knows how to walk whole trees
// without leaving them. It goes by path; that must be what is held already.
func (s *Spool) openScratch() error {
	scratch, err := os.OpenRoot(s.work.path)
	if err != nil {
		return fmt.Errorf("open work: %w", err)
	}

	s.scratch = scratch

	info, err := scratch.Stat(".")
	if err != nil {
		return fmt.Errorf("open work: %w", err)
	}

	if at, ok := info.Sys().(*syscall.Stat_t); !ok || at.Ino != s.work.id.ino || at.Dev != s.work.id.dev {
		return fmt.Errorf("%s: %w", job.Show(s.work.path), job.ErrSpoolReplaced)
	}

	return nil
}

// ensure opens the directory name in parent and makes it if it is missing.
func (s *Spool) ensure(parent *dir, name string, mode uint32) (*dir, error) {
	path := parent.path + "/" + name

	var d *dir

	err := parent.use(func(at int) error {
		merr := unix.Mkdirat(at, name, mode)
		if merr != nil && !errors.Is(merr, fs.ErrExist) {
			return fmt.Errorf("make it: %w", merr)
		}

		opened, oerr := openDir(at, name, path)
		if oerr != nil {
			return oerr
		}

		d = opened

		if merr == nil && mode != privateMode {
			// Refused by a unit with RestrictSUIDSGID=; files then get our group.
			_ = d.use(func(fd int) error { return unix.Fchmod(fd, d.mode|unix.S_ISGID) })
		}

		return nil
	})
	if errors.Is(err, unix.EACCES) {
		return nil, noAccess(path)
	}

	if err != nil {
		return nil, fmt.Errorf("open %s: %w", job.Show(path), err)
	}

	return d, nil
}

// noAccess is the refusal of a path that we may not use.
func noAccess(path string) error {
	return &UnfitError{
		Path: path, Reason: "may not be used by us",
		Hint: fmt.Sprintf("give user %d read, write and search permission on it and the way to it", os.Geteuid()),
	}
}

// flushFolders makes the folders themselves durable, also those that an
// earlier run had made and not flushed: what lies in a lost folder is lost.
func (s *Spool) flushFolders() error {
	for _, d := range []*dir{s.root, s.folders[job.OwnFolder], s.work} {
		if err := s.flush(d); err != nil {
			return err
		}
	}

	return nil
}
