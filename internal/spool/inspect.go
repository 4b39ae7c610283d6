package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// Inspection is a spool that is only looked at: it is held, so that nobody
// else works on it, and nothing in it is changed.
type Inspection struct {
	spool   *Spool
	missing []string
}

// Inspect takes the spool at path for this process as Open does, and changes
// nothing. What Open would make is only remembered.
//
// Errors: as for Open, but whether files can be moved is not tried; *UnfitError
// also if the directory was never opened as a spool.
func Inspect(path string, o Options) (*Inspection, error) {
	s, err := newSpool(path, o)
	if err != nil {
		return nil, err
	}

	in := &Inspection{spool: s}

	for _, step := range []func() error{s.openRoot, s.fsInfo, s.lock, in.openFolders, in.openInbox} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("inspect spool %s: %w", job.Show(s.name), withKind(errors.Join(err, in.Close())))
		}
	}

	return in, nil
}

// openFolders opens the folders that are there.
func (in *Inspection) openFolders() error {
	s := in.spool

	for _, f := range modes {
		d, err := in.openIn(s.root, string(f.folder))
		if err != nil {
			return err
		}

		if d == nil && f.folder == job.OwnFolder {
			return &UnfitError{
				Path: s.path, Reason: "is no spool: it has no " + string(job.OwnFolder) + "/",
				Hint: "importerd run makes one of a directory when it starts",
			}
		}

		if d == nil {
			continue
		}

		s.folders[f.folder] = d

		if f.mode != privateMode {
			continue
		}

		if err := s.checkPrivate(d); err != nil {
			return err
		}
	}

	return in.openOwn()
}

// openOwn opens what is there in .importerd/.
func (in *Inspection) openOwn() error {
	s := in.spool
	own := s.folders[job.OwnFolder]

	logs, err := in.openIn(own, "logs")
	if err != nil {
		return err
	}

	if logs != nil {
		if err := logs.close(); err != nil {
			return err
		}
	}

	if s.locks, err = in.openIn(own, "locks"); err != nil {
		return err
	}

	if s.work, err = in.openIn(own, "work"); err != nil || s.work == nil {
		return err
	}

	if s.aside, err = in.openIn(s.work, "aside"); err != nil {
		return err
	}

	s.trials, err = in.openIn(s.work, "trial")

	return err
}

// openInbox opens the inbox if it is there. One that lies elsewhere must be.
func (in *Inspection) openInbox() error {
	s := in.spool
	if s.elsewhere {
		return s.openFirstInbox()
	}

	inbox, err := in.openIn(s.root, string(job.InboxFolder))
	if inbox != nil {
		s.inbox.Store(inbox)
	}

	return err
}

// openIn opens the directory name in parent; nil: it is missing.
func (in *Inspection) openIn(parent *dir, name string) (*dir, error) {
	var d *dir

	path := parent.path + "/" + name
	err := parent.use(func(at int) (err error) {
		d, err = openDir(at, name, path)

		return err
	})

	switch {
	case errors.Is(err, fs.ErrNotExist):
		in.missing = append(in.missing, strings.TrimPrefix(path, in.spool.path+"/"))

		return nil, nil //nolint:nilnil // remembered as missing
	case errors.Is(err, unix.EACCES):
		return nil, noAccess(path)
	case err != nil:
		return nil, fmt.Errorf("open %s: %w", job.Show(path), err)
	}

	return d, nil
}

// Close gives the spool back to others.
func (in *Inspection) Close() error {
	if in.spool.root == nil {
		return nil
	}

	return in.spool.closeAll()
}

// Path is as of a Spool.
func (in *Inspection) Path(folder job.Folder, name string) string { return in.spool.Path(folder, name) }

// Missing returns the folders that Open would make, as paths below the spool.
func (in *Inspection) Missing() []string { return in.missing }

// there says whether there is the folder.
func (in *Inspection) there(folder job.Folder) bool {
	d, err := in.spool.folder(folder)

	return err == nil && d != nil
}

// Names is as of a Spool. A folder that is missing is empty.
func (in *Inspection) Names(folder job.Folder) iter.Seq2[string, error] {
	if !in.there(folder) {
		return func(func(string, error) bool) {}
	}

	return in.spool.Names(folder)
}

// Stat is as of a Spool. In a folder that is missing nothing is.
func (in *Inspection) Stat(folder job.Folder, name string) (job.File, error) {
	if !in.there(folder) {
		return job.File{}, failed("stat", folder, name, fs.ErrNotExist)
	}

	return in.spool.Stat(folder, name)
}

// Attempts returns what OldHandlers would, and the jobs whose locks it would
// remove.
//
// Errors: job.ErrDisk.
func (in *Inspection) Attempts() ([]job.OldHandler, []job.ID, error) {
	var (
		old   []job.OldHandler
		stale []job.ID
	)

	for id, err := range in.ids(in.spool.locks) {
		if err != nil {
			return nil, nil, err
		}

		note, err := in.spool.readLock(id)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, lockFailed("read", id, err)
		}

		alive := note.alive()

		lock, err := in.spool.seize(id, lockSoon)
		if err == nil {
			err = lock.Close()
		}

		switch {
		case alive || errors.Is(err, job.ErrHeld):
			old = append(old, note.handler(id, alive))
		case err != nil:
			return nil, nil, lockFailed("try", id, err)
		default:
			in.spool.unbegun.note(id, note)

			stale = append(stale, id)
		}
	}

	in.spool.findHolders(old)

	return old, stale, nil
}

// Begun is as of a Spool. It knows what Attempts has seen.
func (in *Inspection) Begun(id job.ID) bool { return in.spool.Begun(id) }

// Work yields the jobs for whose results there is a directory.
func (in *Inspection) Work() iter.Seq2[job.ID, error] { return in.ids(in.spool.work) }

// Trials yields the names of trial files that a killed start has left.
func (in *Inspection) Trials() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if in.spool.trials == nil {
			return
		}

		for name, err := range names(in.spool.trials) {
			if err != nil {
				err = fmt.Errorf("read %s: %w", job.Show(in.spool.trials.path), withKind(err))
			}

			if (err != nil || strings.HasPrefix(name, trialPrefix)) && !yield(name, err) {
				return
			}
		}
	}
}

// ids yields those names in d that are ids of jobs; none if d is missing.
func (in *Inspection) ids(d *dir) iter.Seq2[job.ID, error] {
	return func(yield func(job.ID, error) bool) {
		if d == nil {
			return
		}

		for name, err := range names(d) {
			if err != nil {
				yield(job.ID{}, fmt.Errorf("read %s: %w", job.Show(d.path), withKind(err)))

				return
			}

			id, err := job.ParseID(name)
			if err == nil && id.String() == name && !yield(id, nil) {
				return
			}
		}
	}
}
