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
	units, trouble := f.known(units)
	if len(units) == 0 {
		return nil, trouble
	}

	if err := f.commit(units); err != nil {
		return nil, fmt.Errorf("commit outcomes: %w", err)
	}

	deps := &f.pool.deps

	var (
		ended []*unit
		stuck []job.ID
		ways  route
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

			if u.rec.Cursor != 0 {
				stuck = append(stuck, u.rec.ID)
			}
		}
	}

	if len(stuck) > 0 {
		deps.Teller.Withhold(stuck)
	}

	if len(ended) == 0 {
		return nil, trouble
	}

	if err := deps.Folders.Sync(ways.order()...); err != nil {
		return nil, fmt.Errorf("%w: flush folders: %w", job.ErrUntrusted, err)
	}

	return ended, trouble
}

// commit makes outcomes durable, and what was told before confirmed.
func (f *finisher) commit(units []*unit) error {
	for _, u := range units {
		f.number(u)
		u.aim()
	}

	err := f.prepare()
	if err == nil {
		err = f.pool.recorded(f.pool.deps.Journal.Commit, f.told, units)
	}

	if err == nil {
		f.confirmed()
	}

	return err
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
