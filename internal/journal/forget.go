package journal

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"importerd/internal/job"
)

// The rows of table meta that keep numbers from being given twice.
const (
	nextSeqKey    = "next_seq"
	nextCursorKey = "next_cursor"
)

// Drop forgets jobs that never came to be: their claims failed. One that is
// not known is no error.
func (j *Journal) Drop(ids ...job.ID) error {
	return j.remove(ids, func(*facts) bool { return true })
}

// Remove forgets jobs for good. One that is open, since a retry has brought it
// back meanwhile, stays; those that are not known are no error. It need not
// survive a power cut.
func (j *Journal) Remove(ids ...job.ID) error {
	return j.remove(ids, func(old *facts) bool { return old.state.Ended() && !old.open })
}

// remove forgets those of the jobs that may be forgotten.
func (j *Journal) remove(ids []job.ID, may func(*facts) bool) error {
	return j.submit(&request{do: func(w *writer, s *stage) error {
		for _, id := range ids {
			old, at, err := w.find(s, id)
			if err != nil {
				return err
			}

			if old.state == "" || !may(&old) {
				continue
			}

			w.remove.id(id)

			if err := w.remove.run(); err != nil {
				return err
			}

			s.set(id, at, &old, &facts{})
		}

		told := max(s.cursor, s.known.cursor.Load())

		return errors.Join(w.setMeta(nextSeqKey, strconv.FormatInt(s.next, 10)),
			w.setMeta(nextCursorKey, strconv.FormatInt(told+1, 10)))
	}})
}

// CutDue brings the times of deferred jobs that are later than limit down to
// it: the clock was set back. Paused jobs wait for a person, not for a time.
func (j *Journal) CutDue(limit time.Time) error {
	return j.submit(cutDue(limit))
}

// cutDue is what CutDue wants written.
func cutDue(limit time.Time) *request {
	return &request{durable: true, do: func(w *writer, s *stage) error {
		s.cutDue(limit)
		at := moment(limit)

		return w.conn.exec(fmt.Sprintf(
			"UPDATE job SET due_at = %d WHERE open = 1 AND state = 'deferred' AND due_at > %d", at, at))
	}}
}
