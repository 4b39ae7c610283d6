package app

import (
	"context"
	"fmt"
	"reflect"

	"importerd/internal/handler/worker"
	"importerd/internal/job"
	"importerd/internal/process"
)

// bothLocks are the locks of attempts and of workers.
type bothLocks interface {
	process.Locks
	worker.Locks
}

// locks returns the locks of the session's spool.
func (l *line) locks(s *session) bothLocks {
	if l.app.groups != nil {
		return locks{Spool: s.spool, groups: l.app.groups, log: l.log}
	}

	return s.spool
}

// newFleet makes the session able to have workers.
func (l *line) newFleet(ctx context.Context, s *session) {
	s.fleet = worker.New(ctx, worker.Options{
		Locks: l.locks(s), Kill: l.app.stages.Killed(), Log: l.log,
		LogPath: func(n int) string { return s.spool.Path(job.OwnFolder, fmt.Sprintf("logs/worker-%d.log", n)) },
	})
}

// employ chooses what does the work under the rules. Workers that are as the rules want
// them stay.
func (s *session) employ(r *rules) {
	if r.service == nil {
		s.handler, s.crew = r.handle, r.crew()

		return
	}

	if _, same := s.handler.(*worker.Handler); same && reflect.DeepEqual(s.crew, r.crew()) {
		return
	}

	s.crew = r.crew()
	s.handler = s.fleet.Handler(worker.Config{
		Service: r.service, Workers: r.Workers, Inflight: r.Inflight, KillAfter: r.KillAfter,
	})
}

// dismiss has all workers end that the present rules do not want, each when its jobs
// have ended.
func (s *session) dismiss() {
	present, _ := s.handler.(*worker.Handler)
	s.fleet.Retire(present)
}

// disband has all workers end, at the latest some time after work is done. The loops
// have ended by then.
func (s *session) disband(work context.Context) {
	for _, p := range s.pulses {
		p.Waiting()
		defer p.Back()
	}

	s.fleet.Close(work)
}
