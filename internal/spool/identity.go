package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// CheckInbox says whether the folders held open are still those at their
// paths: device, inode and mount. An unmount, a mount over one of them and a
// directory that was moved away raise no event.
//
// Errors: job.ErrInboxReplaced: ReopenInbox may help; job.ErrSpoolReplaced: the
// spool's directory or a folder of ours is another one, and only opening the
// spool again helps.
func (s *Spool) CheckInbox() error {
	if err := compare(s.root); err != nil {
		return fmt.Errorf("%w: %w", job.ErrSpoolReplaced, err)
	}

	for _, folder := range s.folders {
		if err := compare(folder); err != nil {
			return fmt.Errorf("%w: %w", job.ErrSpoolReplaced, err)
		}
	}

	if err := compare(s.inbox.Load()); err != nil {
		return fmt.Errorf("%w: %w", job.ErrInboxReplaced, err)
	}

	return nil
}

// compare says how what is at the path differs from what is held. The held
// directory is asked anew: a mount id is given to another mount after an unmount.
func compare(d *dir) error {
	path := job.Show(d.path)

	var held identity

	err := d.use(func(fd int) error {
		stat, err := statAt(fd, "")
		held = identityOf(&stat)

		return err
	})
	if err != nil {
		return fmt.Errorf("%s as held: %w", path, withKind(err))
	}

	stat, err := statAt(unix.AT_FDCWD, d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nothing is at %s any more: %w", path, err)
	}

	if err != nil {
		return fmt.Errorf("%s: %w", path, withKind(err))
	}

	if there := identityOf(&stat); !there.same(held) {
		return fmt.Errorf("at %s is %s, held is %s", path, there, held)
	}

	return nil
}

// ReopenInbox opens the inbox at its path anew and uses it from now on. An
// inbox/ in the spool that is missing is made again. The new one is checked as
// Open does, with the same errors; on an error the old one stays in use.
func (s *Spool) ReopenInbox() error {
	s.reopening.Lock()
	defer s.reopening.Unlock()

	if err := s.reopenInbox(); err != nil {
		return fmt.Errorf("open the inbox of spool %s: %w", job.Show(s.name), withKind(err))
	}

	return nil
}

func (s *Spool) reopenInbox() error {
	if err := compare(s.root); err != nil {
		return fmt.Errorf("%w: %w", job.ErrSpoolReplaced, err)
	}

	inbox, err := s.findInbox()
	if err != nil {
		return err
	}

	if err := s.tryInbox(inbox); err != nil {
		return errors.Join(err, inbox.close())
	}

	return s.swapInbox(inbox)
}

// swapInbox uses inbox from now on, unless the spool was closed meanwhile.
func (s *Spool) swapInbox(inbox *dir) error {
	s.swapping.Lock()
	defer s.swapping.Unlock()

	if s.ended {
		return errors.Join(fs.ErrClosed, inbox.close())
	}

	return s.inbox.Swap(inbox).giveWay(inbox)
}

// openFirstInbox is the part of Open that findInbox is not.
func (s *Spool) openFirstInbox() error {
	inbox, err := s.findInbox()
	if err != nil {
		return err
	}

	s.inbox.Store(inbox)

	return nil
}

// findInbox opens the inbox at its path and refuses one that is a folder of
// ours under another name.
func (s *Spool) findInbox() (*dir, error) {
	inbox, err := s.openInboxPath()
	if err != nil {
		return nil, err
	}

	for _, d := range append([]*dir{s.root}, s.ours()...) {
		if d.id.inode(inbox.id) {
			return nil, errors.Join(&UnfitError{
				Path: inbox.path, Reason: "cannot be the inbox, it is " + job.Show(d.path), Hint: "use a directory of its own",
			}, inbox.close())
		}
	}

	if insideSpool(inbox) {
		return nil, errors.Join(&UnfitError{
			Path: inbox.path, Reason: "cannot be the inbox, it is a folder in which a spool keeps files at work",
			Hint: "use the inbox of that spool, or a directory of its own",
		}, inbox.close())
	}

	return inbox, nil
}

// insideSpool says whether d is a folder of whatever spool from which nobody else
// may take files, or lies in its .importerd. From done/ and failed/ files may be taken.
func insideSpool(d *dir) bool {
	inside := false

	_ = d.use(func(at int) error { // what cannot be looked at is none that we know
		parent, perr := statAt(at, "..")
		above, aerr := statAt(at, "../../"+string(job.OwnFolder))
		inside = perr == nil && aerr == nil && identityOf(&parent).inode(identityOf(&above))

		if _, err := statAt(at, "../"+string(job.OwnFolder)); err != nil {
			return err
		}

		for _, folder := range []job.Folder{
			job.ProcessingFolder, job.DeferredFolder, job.ErrorsFolder, job.ResultsFolder, job.OwnFolder,
		} {
			stat, err := statAt(at, "../"+string(folder))
			inside = inside || err == nil && identityOf(&stat).inode(d.id)
		}

		return nil
	})

	return inside
}

// ours are the folders in the spool other than the inbox.
func (s *Spool) ours() []*dir {
	var all []*dir
	for _, d := range s.folders {
		all = append(all, d)
	}

	return all
}

func (s *Spool) openInboxPath() (*dir, error) {
	if !s.elsewhere {
		return s.ensure(s.root, string(job.InboxFolder), inboxMode)
	}

	inbox, err := openDir(unix.AT_FDCWD, s.inboxPath, s.inboxPath)
	if errors.Is(err, fs.ErrPermission) {
		return nil, noAccess(s.inboxPath)
	}

	if err != nil {
		return nil, fmt.Errorf("open the inbox %s: %w", job.Show(s.inboxPath), err)
	}

	return inbox, nil
}

// OpenInbox opens the inbox once more, with an offset of its own, to read
// names from it. The caller closes it.
func (s *Spool) OpenInbox() (*os.File, error) {
	file, err := s.inbox.Load().reopen()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", job.Show(s.inboxPath), withKind(err))
	}

	return file, nil
}
