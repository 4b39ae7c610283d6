package journal

import (
	"fmt"
	"io/fs"
	"time"

	"importerd/internal/job"
)

// wishedKey is the row of table meta that makes each wish change something:
// SQLite flushes nothing else.
const wishedKey = "wished"

// Wish records, durably, what a person wants of jobs; job.NoWish: nothing any
// more. All or none are recorded. Besides those of Journal, errors are
// fs.ErrNotExist: one of the jobs is not known; *job.StateError: one has ended,
// and what was recorded first holds.
func (j *Journal) Wish(wish job.Wish, ids ...job.ID) error {
	verb, ok := verbs[wish]
	if !ok {
		return fmt.Errorf("bug: no such wish: %q", wish)
	}

	if len(ids) == 0 {
		return j.trouble()
	}

	var refused error // does not concern the others of a group

	err := j.submit(&request{durable: true, do: func(w *writer, s *stage) error {
		var (
			slots []slot
			err   error
		)

		if slots, refused, err = s.wishable(w, ids, verb); refused != nil || err != nil {
			return err
		}

		for i, id := range ids {
			someText(w.wish, string(wish))
			w.wish.int(slots[i].seq)

			if err := w.wish.run(); err != nil {
				return err
			}

			now := slots[i]
			now.wish = wish
			s.set(id, slots[i], now, time.Time{})
			s.cut = s.cut || now.waits // when it is due is not known here
		}

		return w.setMeta(wishedKey, job.NewID().String())
	}})
	if err != nil {
		return err
	}

	return refused
}

// verbs are the words for what was wished. To wish nothing is to let go on.
var verbs = map[job.Wish]job.Verb{ //nolint:gochecknoglobals // a table that nobody writes to
	job.NoWish: job.Resume, job.WishPause: job.Pause, job.WishTerminate: job.Terminate,
}

// wishable returns the slots of jobs of which something may be wished, or why
// it may not.
func (s *stage) wishable(w *writer, ids []job.ID, verb job.Verb) (slots []slot, refused, err error) {
	for _, id := range ids {
		found, err := w.find(s, id)

		switch {
		case err != nil:
			return nil, nil, err
		case found.state == "":
			return nil, fmt.Errorf("job %s: %w", id, fs.ErrNotExist), nil
		case found.state.Ended():
			return nil, &job.StateError{ID: id, State: found.state, Verb: verb}, nil
		}

		slots = append(slots, found)
	}

	return slots, nil, nil
}
