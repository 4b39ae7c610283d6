package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"importerd/internal/job"
)

// Spool counts for one spool. Its methods do not block.
type Spool struct {
	jobs          map[job.State]prometheus.Counter   // nobody writes to the maps
	attempts      map[job.Verdict]prometheus.Counter //
	interruptions prometheus.Counter
	bytes         prometheus.Counter
	handler       prometheus.Observer
	delay         prometheus.Observer
}

// Started notes that the first attempt on a job began at rec.StartedAt, and that
// its file had come at arrived: the ctime that a dropped file had in the inbox,
// when one was accepted, when a retry was wanted. Later attempts are not told:
// they would count the waits between attempts.
func (s *Spool) Started(rec job.Record, arrived time.Time) {
	// The file system's clock is coarser than ours: what was taken at once may
	// seem to have begun before it came.
	s.delay.Observe(max(rec.StartedAt.Sub(arrived), 0).Seconds())
}

// Attempted notes that a run of the handler has ended and what that means. rec.Exit
// says how; nil: nobody knows, since the daemon's death has interrupted it.
func (s *Spool) Attempted(rec job.Record, verdict job.Verdict) {
	if verdict == job.Interrupted {
		s.interruptions.Inc()
	}

	if counter := s.attempts[verdict]; counter != nil && rec.Exit != nil {
		counter.Inc()
		s.handler.Observe(rec.Exit.Took.Seconds())
	}
}

// Ended notes that a job has ended, as soon as that is true after a power cut.
func (s *Spool) Ended(rec job.Record) {
	counter := s.jobs[rec.State]
	if counter == nil {
		return
	}

	counter.Inc()

	if rec.State == job.Done {
		s.bytes.Add(float64(max(rec.Size, 0)))
	}
}
