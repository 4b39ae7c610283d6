package spool

import (
	"sync"

	"importerd/internal/job"
)

// unbegun are the attempts of an earlier daemon that were made ready and never begun.
type unbegun struct {
	mu   sync.Mutex
	jobs map[job.ID]struct{} // guarded by mu
}

// note takes up what stood in a lock file that nobody had any more.
func (u *unbegun) note(id job.ID, note lockNote) {
	if note.PID != 0 || note.Worker || note.Job != id.String() {
		return
	}

	u.mu.Lock()
	defer u.mu.Unlock()

	if u.jobs == nil {
		u.jobs = map[job.ID]struct{}{}
	}

	u.jobs[id] = struct{}{}
}

// Begun says whether the last attempt on a job, of an earlier daemon, was begun or may
// have been: false means that it was made ready, and no process was ever noted. It knows
// what OldHandlers has seen. After a power cut it means nothing.
func (s *Spool) Begun(id job.ID) bool {
	s.unbegun.mu.Lock()
	defer s.unbegun.mu.Unlock()

	_, known := s.unbegun.jobs[id]

	return !known
}
