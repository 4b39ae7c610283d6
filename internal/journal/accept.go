package journal

import "importerd/internal/job"

// Accept records, durably, a new job. Besides those of Journal, errors are
// *job.KnownError: there is a job of that id; *job.BusyError: it is a trigger,
// and another one is open: has not ended, or its file's last move is not
// confirmed. Of triggers that come together one is recorded.
func (j *Journal) Accept(rec job.Record) error {
	if err := check(&rec); err != nil {
		return err
	}

	var refused error // does not concern the others of a group

	err := j.submit(&request{durable: true, do: func(w *writer, s *stage) (err error) {
		if refused, err = s.refuse(w, &rec); refused != nil || err != nil {
			return err
		}

		return w.write(s, &rec)
	}})
	if err != nil {
		return err
	}

	return refused
}

// refuse says why a new job may not be recorded; nil: it may.
func (s *stage) refuse(w *writer, rec *job.Record) (refused, err error) {
	found, _, err := w.find(s, rec.ID)
	if err != nil {
		return nil, err
	}

	if found.state != "" {
		return &job.KnownError{ID: rec.ID}, nil
	}

	if rec.Origin == job.Triggered && len(s.triggers) > 0 {
		first, _, _ := s.find(s.triggers[0])

		return &job.BusyError{ID: s.triggers[0], State: first.shown()}, nil
	}

	return nil, nil
}

// Trigger returns the open trigger and its state as it is shown; false: there is
// none. Of several, which only retries bring about, it is any one.
func (j *Journal) Trigger() (job.ID, job.State, bool) {
	k := j.known

	k.mu.RLock()
	defer k.mu.RUnlock()

	if len(k.triggers) == 0 {
		return job.ID{}, "", false
	}

	return k.triggers[0], k.slots[k.triggers[0]].shown(), true
}
