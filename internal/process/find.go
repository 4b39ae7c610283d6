package process

import (
	"errors"
	"io/fs"

	"importerd/internal/job"
)

// find looks for the file of a job: where it was last, where it was going, and
// in the inbox. The zero place: it is nowhere. strict: only the very file counts
// that was last seen, and none that is another job's.
func (r *recovery) find(rec *job.Record, strict bool) (place, job.File, error) {
	for _, c := range candidates(rec) {
		_, known := r.known[c.place]
		if known && rec.Moving != nil {
			continue
		}

		f, err := r.deps.Lister.Stat(c.folder, c.name)

		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, job.ErrNotRegular):
		case err != nil:
			return place{}, f, err
		case isTheOne(rec.Seen, f, c.folder), c.sure && !strict:
			return c.place, f, nil
		}
	}

	return place{}, job.File{}, nil
}

// candidate is a place where the file of a job may lie. sure: nobody else's can
// lie there under that name.
type candidate struct {
	place
	sure bool
}

// candidates returns the places for the file of a job, in the order in which to
// look. Where it comes from is first: while it lies there it has not moved.
func candidates(rec *job.Record) []candidate {
	var all []candidate

	switch m := rec.Moving; {
	case m == nil && rec.File != "":
		all = append(all, candidate{place{rec.State.Folder(), rec.File}, true})
	case m == nil:
	case m.From == "": // accepted; a power cut may have made it forget that it was fetched
		all = append(all, candidate{place{m.To, job.WithID(m.Name, m.ID)}, true},
			candidate{place{m.To, m.Name}, false},
			candidate{place{job.ProcessingFolder, job.WithID(m.Name, m.ID)}, true})
	default:
		all = append(all,
			candidate{place{m.From, m.File}, m.From == job.ProcessingFolder || m.From == job.DeferredFolder},
			candidate{place{m.To, job.WithID(m.Name, m.ID)}, true},
			candidate{place{m.To, m.Name}, m.To == job.ProcessingFolder || m.To == job.DeferredFolder})
	}

	switch rec.State {
	case job.Processing: // a power cut may have undone the claim, or that it was fetched
		all = append(all, candidate{place{job.DeferredFolder, rec.File}, false},
			candidate{place{job.InboxFolder, rec.Name}, false})
	case job.Deferred, job.Paused:
		all = append(all, candidate{place{job.ProcessingFolder, rec.File}, false})
	case job.Committing, job.Done, job.Failed, job.Terminated:
	}

	return all
}

// isTheOne says whether f is the file that was last seen as seen. In the inbox,
// where others put files, it must be the very inode.
func isTheOne(seen, f job.File, folder job.Folder) bool {
	alike := seen.Size == f.Size && seen.Mtime.Equal(f.Mtime)

	if folder == job.InboxFolder || seen.Dev == f.Dev {
		return alike && seen.Same(f) && seen.Btime.Equal(f.Btime)
	}

	return alike // a copied spool: inodes are others
}
