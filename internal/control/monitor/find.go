package monitor

import (
	"errors"
	"io/fs"
	"maps"
	"slices"

	"importerd/internal/job"
)

// view is how far a feed had told at one moment. What the journal says must be
// read after it was taken: what is not in the view comes by itself.
type view struct {
	*Feed
	told     int64
	withheld map[job.ID]struct{}
}

// view returns how the feed stands. The hub's mutex is held.
func (f *Feed) view() view {
	v := view{Feed: f, told: f.told}
	if len(f.withheld) > 0 {
		v.withheld = maps.Clone(f.withheld)
	}

	return v
}

// isTold says whether a record of the journal shows an end that was told.
func (v view) isTold(rec *job.Record) bool {
	_, withheld := v.withheld[rec.ID]

	return rec.State.Ended() && rec.Cursor <= v.told && !withheld
}

// views returns how all feeds stand, by the names of their spools, and whether
// there is one for each spool. The mutex is held.
func (h *Hub) views() ([]view, bool) {
	views := make([]view, 0, len(h.feeds))

	for _, name := range slices.Sorted(maps.Keys(h.feeds)) {
		views = append(views, h.feeds[name].view())
	}

	return views, len(h.feeds) == len(h.spools)
}

// finding is what the journals say of a job.
type finding struct {
	rec    job.Record
	at     *view // of the job's spool; nil: none of those asked has it
	unsure bool  // not all could be asked
}

// find looks for a job in the journals of some feeds.
func find(id job.ID, in []view) (finding, error) {
	var found finding

	for i, v := range in {
		err := v.read(func() (err error) {
			found.rec, err = v.journal.Get(id)

			return err
		})

		switch {
		case err == nil:
			found.at = &in[i]

			return found, nil
		case errors.Is(err, errClosed):
			found.unsure = true
		case !errors.Is(err, fs.ErrNotExist):
			return found, err
		}
	}

	return found, nil
}

// page reads up to n ends from the journal, from behind number to what was told,
// and returns up to where it has come.
func (v view) page(number int64, n int) ([]*entry, int64, error) {
	var recs []job.Record

	err := v.read(func() (err error) {
		recs, err = v.journal.Told(number, n)

		return err
	})
	if err != nil {
		return nil, number, err
	}

	whole := len(recs) < n
	entries := make([]*entry, 0, len(recs))

	for i := range recs {
		rec := &recs[i]
		if rec.Cursor > v.told {
			whole = true

			break
		}

		number = rec.Cursor

		if v.isTold(rec) {
			entries = append(entries, endOf(v.Feed, rec))
		}
	}

	if whole {
		number = v.told
	}

	return entries, number, nil
}
