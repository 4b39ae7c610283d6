package process

import (
	"errors"
	"fmt"

	"importerd/internal/job"
)

// write makes the outcomes durable, moves the files and flushes the folders.
// It returns the units for which all that is done, and what the disk said of
// the others. Along with them the journal learns what was told before.
func (f *finisher) write(units []*unit) ([]*unit, error) {
	noted, trouble := f.jot(units)
	if len(noted) == 0 {
		return nil, trouble
	}

	ended, err := f.land(noted)

	return ended, errors.Join(trouble, err)
}

// jot writes outcomes, so that they survive the death of the daemon, and that what was
// told before is confirmed. It returns the units for which that is done.
func (f *finisher) jot(units []*unit) ([]*unit, error) {
	units, trouble := f.known(units)
	if len(units) == 0 {
		return nil, trouble
	}

	for _, u := range units {
		f.number(u)
		u.aim()
	}

	err := f.prepare()
	if err == nil {
		err = f.pool.recorded(f.pool.deps.Journal.Note, f.told, units)
	}

	if err != nil {
		return nil, fmt.Errorf("note outcomes: %w", err)
	}

	f.confirmed()

	return units, trouble
}

// land brings to the disk what was written of units, moves their files and flushes the
// folders.
func (f *finisher) land(units []*unit) ([]*unit, error) {
	if err := f.pool.deps.Journal.Commit(); err != nil {
		f.withhold(units)

		return nil, fmt.Errorf("commit outcomes: %w", err)
	}

	var (
		ended, stuck []*unit
		ways         route
		trouble      error
	)

	for _, u := range units {
		changed, err := f.move(u)

		switch {
		case errors.Is(err, job.ErrUntrusted):
			return nil, err
		case err == nil:
			ended = append(ended, u)
			ways.add(u.source(), changed)
		default:
			trouble = err
			stuck = append(stuck, u)
		}
	}

	f.withhold(stuck)

	if len(ended) == 0 {
		return nil, trouble
	}

	if err := f.pool.deps.Folders.Sync(ways.order()...); err != nil {
		return nil, fmt.Errorf("%w: flush folders: %w", job.ErrUntrusted, err)
	}

	return ended, trouble
}

// withhold says that ends which the journal holds are not true yet.
func (f *finisher) withhold(units []*unit) {
	var ids []job.ID

	for _, u := range units {
		if u.rec.Cursor != 0 {
			ids = append(ids, u.rec.ID)
		}
	}

	if len(ids) > 0 {
		f.pool.deps.Teller.Withhold(ids)
	}
}

// number gives an end its place among all ends: the order in which they are told.
// One that has waited since goes behind those that were told meanwhile; one that
// may have been told before we were started keeps its place.
func (f *finisher) number(u *unit) {
	if u.rec.State.Ended() && !u.numbered && !u.nothing {
		u.rec.Cursor = f.pool.deps.Births.NextCursor()
	}
}

// aim says where the unit's file is to go, for the journal.
func (u *unit) aim() {
	if u.gone || u.moved || u.nothing {
		return
	}

	u.rec.Moving = &job.Move{
		From: u.source(), File: u.rec.File, To: u.rec.State.Folder(), Name: u.rec.Name, ID: u.rec.ID,
	}
}

// recorded has the records of units written, if there are any. The slice is used again:
// records are big, and the journal keeps none.
func (p *Pool) recorded(write func(recs ...job.Record) error, groups ...[]*unit) error {
	sheet, ok := p.sheets.Get().(*[]job.Record)
	if !ok {
		sheet = &[]job.Record{}
	}

	recs := (*sheet)[:0]

	for _, units := range groups {
		for _, u := range units {
			if !u.nothing {
				recs = append(recs, u.rec)
			}
		}
	}

	var err error
	if len(recs) > 0 {
		err = write(recs...)
	}

	clear(recs)
	*sheet = recs
	p.sheets.Put(sheet)

	return err
}

// route is which folders a group of files has left, and to which they came.
type route struct {
	from, to map[job.Folder]bool
}

func (r *route) add(from job.Folder, to []job.Folder) {
	if r.from == nil {
		r.from, r.to = map[job.Folder]bool{}, map[job.Folder]bool{}
	}

	r.from[from] = true

	for _, folder := range to {
		r.to[folder] = true
	}
}

// order returns the folders in the order in which they are to be flushed: each
// that a file has left before the one that it has come to. The other order leaves
// a file in both on btrfs. failed/ can be both, for files that have passed each
// other on the way; then it is flushed twice.
func (r *route) order() []job.Folder {
	var all []job.Folder

	for _, stop := range []struct {
		folder job.Folder
		passed bool
	}{
		{job.ProcessingFolder, r.from[job.ProcessingFolder]},
		{job.FailedFolder, r.from[job.FailedFolder]},
		{job.DeferredFolder, r.from[job.DeferredFolder] || r.to[job.DeferredFolder]},
		{job.DoneFolder, r.to[job.DoneFolder]},
		{job.FailedFolder, r.to[job.FailedFolder]},
		{job.ResultsFolder, r.to[job.ResultsFolder]},
	} {
		if stop.passed {
			all = append(all, stop.folder)
		}
	}

	return all
}
