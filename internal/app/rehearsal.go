package app

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"sync"
	"syscall"
	"time"

	"importerd/internal/job"
	"importerd/internal/journal"
	"importerd/internal/process"
	"importerd/internal/spool"
)

// rehearsal is a spool for a pool: all that is asked is answered from the real
// one, all that is to be changed is only remembered. What recovery does not need
// is missing: to call it is a bug.
type rehearsal struct {
	process.Folders
	process.Intake
	process.Locks
	process.Results
	process.Papers

	spool   *spool.Inspection
	journal *journal.Still
	old     []job.OldHandler

	mu   sync.Mutex
	gone map[spot]struct{} // guarded by mu; what was moved away
	come map[spot]job.File // guarded by mu; what was moved there
}

// spot is a name in a folder.
type spot struct {
	folder job.Folder
	name   string
}

func rehearse(s *spool.Inspection, j *journal.Still, old []job.OldHandler) *rehearsal {
	r := &rehearsal{spool: s, journal: j, gone: map[spot]struct{}{}, come: map[spot]job.File{}}

	for _, h := range old {
		h.Alive = false // it must not be signalled
		r.old = append(r.old, h)
	}

	return r
}

// deps gives a pool the rehearsal to work with.
func (r *rehearsal) deps() process.Deps {
	return process.Deps{
		Folders: r, Lister: r, Intake: r, Locks: r, Results: r, Papers: r, Reserve: r,
		Journal: r, Index: r, Births: r, Wishes: r,
	}
}

// Stat looks at a file where it would be now.
func (r *rehearsal) Stat(folder job.Folder, name string) (job.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	return r.stat(spot{folder, name})
}

// stat is Stat; mu is held.
func (r *rehearsal) stat(at spot) (job.File, error) {
	if f, ok := r.come[at]; ok {
		return f, nil
	}

	if _, ok := r.gone[at]; ok {
		return job.File{}, fmt.Errorf("%s/%s: %w", at.folder, job.Show(at.name), fs.ErrNotExist)
	}

	return r.spool.Stat(at.folder, at.name) //nolint:wrapcheck // passed on
}

// Names yields what would lie in the folder now.
func (r *rehearsal) Names(folder job.Folder) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, name := range r.arrived(folder) {
			if !yield(name, nil) {
				return
			}
		}

		for name, err := range r.spool.Names(folder) {
			r.mu.Lock()
			_, gone := r.gone[spot{folder, name}]
			r.mu.Unlock()

			if !gone && !yield(name, err) {
				return
			}
		}
	}
}

// arrived returns the names of what was moved to a folder.
func (r *rehearsal) arrived(folder job.Folder) []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	var names []string

	for at := range r.come {
		if at.folder == folder {
			names = append(names, at.name)
		}
	}

	return names
}

// Move remembers a move.
func (r *rehearsal) Move(m job.Move) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	f, err := r.stat(spot{m.From, m.File})
	if err != nil {
		return "", err
	}

	name := m.Name
	if _, err := r.stat(spot{m.To, name}); !errors.Is(err, fs.ErrNotExist) {
		name = job.WithID(name, m.ID)
	}

	r.shift(spot{m.From, m.File}, spot{m.To, name}, f)

	return name, nil
}

// Join remembers that one of two names of a file goes away.
func (r *rehearsal) Join(m job.Move) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	f, err := r.stat(spot{m.From, m.File})
	if err != nil {
		return "", err
	}

	for _, name := range []string{job.WithID(m.Name, m.ID), m.Name} {
		if there, err := r.stat(spot{m.To, name}); err == nil && there.Same(f) {
			r.gone[spot{m.From, m.File}] = struct{}{}

			return name, nil
		}
	}

	return "", fs.ErrNotExist
}

// shift remembers that f lies elsewhere; mu is held.
func (r *rehearsal) shift(from, to spot, f job.File) {
	delete(r.come, from)
	r.gone[from] = struct{}{}

	f.Name = to.name
	r.come[to] = f
	delete(r.gone, to)
}

// Claim remembers a claim.
func (r *rehearsal) Claim(f job.File) (job.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.shift(spot{job.InboxFolder, f.Name}, spot{job.ProcessingFolder, f.Name}, f)

	return f, nil
}

// SetAside remembers that something was taken out of processing/.
func (r *rehearsal) SetAside(name string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.gone[spot{job.ProcessingFolder, name}] = struct{}{}

	return r.Path(job.OwnFolder, "work/aside/"+name), nil
}

// PublishResults says which name results would get.
func (r *rehearsal) PublishResults(id job.ID, name string) (string, error) {
	info, err := os.Lstat(r.Path(job.OwnFolder, "work/"+id.String()))
	if err != nil {
		return "", err //nolint:wrapcheck // as the real one says
	}

	if !info.IsDir() {
		return "", job.ErrNotRegular
	}

	if _, err := r.Stat(job.ResultsFolder, name); !errors.Is(err, fs.ErrNotExist) {
		return job.WithID(name, id), nil
	}

	return name, nil
}

// Path is as of the spool.
func (r *rehearsal) Path(folder job.Folder, name string) string { return r.spool.Path(folder, name) }

// LogPath is as of the spool.
func (r *rehearsal) LogPath(id job.ID) string {
	return r.Path(job.OwnFolder, "logs/"+id.String()+".log")
}

// OldHandlers returns those that were found.
func (r *rehearsal) OldHandlers() ([]job.OldHandler, error) { return r.old, nil }

// Begun is as of the spool.
func (r *rehearsal) Begun(id job.ID) bool { return r.spool.Begun(id) }

// HandlerGone says that no old handler ends by itself.
func (r *rehearsal) HandlerGone(job.ID) bool { return false }

// SignalHandlers leaves them alone.
func (r *rehearsal) SignalHandlers([]job.ID, ...syscall.Signal) {}

// Unfinished is as of the journal.
func (r *rehearsal) Unfinished() iter.Seq2[job.Record, error] {
	return func(yield func(job.Record, error) bool) {
		if r.journal.Reader == nil {
			return
		}

		for e, err := range r.journal.Unfinished() {
			if !yield(e.Record, err) {
				return
			}
		}
	}
}

// Due says that nothing is due: nothing shall be handled.
func (r *rehearsal) Due(time.Time, int) ([]job.Record, time.Time, error) {
	return nil, time.Time{}, nil
}

// Waiting is for counts that nobody reads.
func (r *rehearsal) Waiting(job.State) int { return 0 }

// Get is for jobs that are steered, which none is.
func (r *rehearsal) Get(job.ID) (job.Record, error) { return job.Record{}, fs.ErrNotExist }

// Accept is for jobs that are accepted, which none is.
func (r *rehearsal) Accept(job.Record) error { return job.ErrDegraded }

// NextCursor gives none: nothing is recorded.
func (r *rehearsal) NextCursor() int64 { return 0 }

// Trigger is for retries, of which none is made.
func (r *rehearsal) Trigger() (job.ID, job.State, bool) { return job.ID{}, "", false }

// Paused is for claims, of which none is made.
func (r *rehearsal) Paused() bool { return false }

// UnderWay is for files of the inbox, of which none comes.
func (r *rehearsal) UnderWay(string) bool { return false }

// Behind is for jobs that are due, of which none is.
func (r *rehearsal) Behind(job.ID) bool { return false }

// Sync does nothing, as all below.
func (r *rehearsal) Sync(...job.Folder) error { return nil }

// RemoveNote does nothing.
func (r *rehearsal) RemoveNote(string) error { return nil }

// Wish does nothing.
func (r *rehearsal) Wish(job.Wish, ...job.ID) error { return nil }

// SetPaused does nothing.
func (r *rehearsal) SetPaused(bool) error { return nil }

// WriteNote does nothing.
func (r *rehearsal) WriteNote(string, []byte) error { return nil }

// Note does nothing.
func (r *rehearsal) Note(...job.Record) error { return nil }

// Commit does nothing.
func (r *rehearsal) Commit(...job.Record) error { return nil }

// Drop does nothing.
func (r *rehearsal) Drop(...job.ID) error { return nil }

// CutDue does nothing.
func (r *rehearsal) CutDue(time.Time) error { return nil }

// MarkStarted does nothing.
func (r *rehearsal) MarkStarted() error { return nil }

// FillReserve does nothing.
func (r *rehearsal) FillReserve() error { return nil }

// SpendReserve does nothing.
func (r *rehearsal) SpendReserve() error { return nil }
