package journal

import (
	"fmt"
	"strconv"
	"time"

	"importerd/internal/job"
)

// Drop forgets a job that never came to be: its claim failed. A job that is
// not known is no error.
func (j *Journal) Drop(id job.ID) error { return j.remove([]job.ID{id}) }

// Remove forgets jobs for good; those that are not known are no error. It need
// not survive a power cut.
func (j *Journal) Remove(ids ...job.ID) error { return j.remove(ids) }

func (j *Journal) remove(ids []job.ID) error {
	return j.submit(&request{do: func(w *writer, s *stage) error {
		for _, id := range ids {
			old, err := w.find(s, id)
			if err != nil {
				return err
			}

			if old.state == "" {
				continue
			}

			if err := w.remove.exec(arguments(id.String())); err != nil {
				return err
			}

			s.set(id, old, slot{}, time.Time{})
		}

		return w.setMeta("next_seq", strconv.FormatInt(s.next, 10))
	}})
}

// CutDue brings the times of deferred jobs that are later than limit down to
// it: the clock was set back.
func (j *Journal) CutDue(limit time.Time) error {
	return j.submit(&request{durable: true, do: func(w *writer, s *stage) error {
		s.cut = true
		at := moment(limit)

		return w.conn.exec(fmt.Sprintf(
			"UPDATE job SET due_at = %d WHERE open = 1 AND state = 'deferred' AND due_at > %d", at, at))
	}})
}
