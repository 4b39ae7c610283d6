package journal

import (
	"fmt"
	"io/fs"

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
		var err error
		if refused, err = s.unwishable(w, ids, verb); refused != nil || err != nil {
			return err
		}

		for _, id := range ids {
			if err := w.setWish(s, id, wish); err != nil {
				return err
			}
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

// unwishable returns why nothing may be wished of jobs; nil: it may.
func (s *stage) unwishable(w *writer, ids []job.ID, verb job.Verb) (refused, err error) {
	for _, id := range ids {
		found, _, err := w.find(s, id)

		switch {
		case err != nil:
			return nil, err
		case found.state == "":
			return fmt.Errorf("job %s: %w", id, fs.ErrNotExist), nil
		case found.state.Ended():
			return &job.StateError{ID: id, State: found.state, Verb: verb}, nil
		}
	}

	return nil, nil
}

// setWish writes what is wished of a job.
func (w *writer) setWish(s *stage, id job.ID, wish job.Wish) error {
	old, at, err := w.find(s, id)
	if err != nil {
		return err
	}

	now := old
	now.wish = wish
	s.set(id, at, &old, &now)

	someText(w.wish, string(wish))
	w.wish.int(old.seq)

	return w.wish.run()
}
