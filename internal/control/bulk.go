package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"importerd/internal/control/listing"
	"importerd/internal/control/reply"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

const (
	// bulkTime is after how long an answer about many jobs is given, with how to go on.
	bulkTime = 15 * time.Second

	// bulkPiece is how many jobs are steered at the same time: their wishes are then
	// flushed together.
	bulkPiece = 32
)

// bulk is one request to steer many jobs of a spool.
type bulk struct {
	spool  *Spool
	do     job.Verb
	list   *listing.List
	answer wire.BulkAnswer
}

// steerJobs carries a verb out on all jobs that the body chooses and that are in one
// of the states, as many as one answer takes.
func (s *Server) steerJobs(do job.Verb, states ...job.State) verb {
	return func(w http.ResponseWriter, r *http.Request) error {
		until := time.Now().Add(bulkTime)

		b, err := s.readBulk(w, r, states)
		if err != nil {
			return err
		}

		b.do = do

		for more := true; more && b.size() < maxLimit && time.Now().Before(until); {
			if more, err = b.steer(r.Context()); err != nil {
				return err
			}
		}

		if b.answer.After, err = b.list.Cursor(); err != nil {
			return err
		}

		return reply.JSON(w, http.StatusOK, b.answer)
	}
}

// readBulk reads which jobs are wanted.
func (s *Server) readBulk(w http.ResponseWriter, r *http.Request, states []job.State) (*bulk, error) {
	var ask wire.Bulk
	if err := reply.ReadJSON(w, r, &ask); err != nil {
		return nil, err
	}

	if ask.Spool == "" {
		return nil, reply.BadRequest(`say which spool, as {"spool": "NAME"}: there %s`, spoolNames(s.o.Spools()))
	}

	sp, err := s.spool(ask.Spool)
	if err != nil {
		return nil, err
	}

	list, err := listing.Choice{
		Sources: sources(r.Context(), []*Spool{sp}), Scope: ask.Spool, States: states, Match: ask.Match, Ago: ask.Since,
	}.Open(ask.After)
	if err != nil {
		return nil, err
	}

	return &bulk{spool: sp, list: list, answer: wire.BulkAnswer{Jobs: []wire.Job{}, Refused: []wire.Error{}}}, nil
}

// size is of how many jobs the answer tells.
func (b *bulk) size() int { return len(b.answer.Jobs) + len(b.answer.Refused) }

// steer carries the verb out on the next jobs; false: there are no more.
func (b *bulk) steer(ctx context.Context) (bool, error) {
	ids, err := b.next()
	if err != nil {
		return false, err
	}

	recs, errs := make([]job.Record, len(ids)), make([]error, len(ids))

	var steering sync.WaitGroup
	for i, id := range ids {
		steering.Go(func() { recs[i], errs[i] = b.spool.Steerer.Steer(ctx, id, b.do) })
	}

	steering.Wait()

	for i, err := range errs {
		if err == nil {
			b.answer.Jobs = append(b.answer.Jobs, b.spool.shown(recs[i]))
		} else if err := b.refuse(ids[i], err); err != nil {
			return false, err
		}
	}

	return len(ids) == bulkPiece, nil
}

// next returns the jobs for which it is the turn.
func (b *bulk) next() ([]job.ID, error) {
	var ids []job.ID

	for len(ids) < bulkPiece {
		_, rec, err := b.list.Next()
		if errors.Is(err, listing.ErrNoMore) {
			break
		}

		if err != nil {
			return nil, err
		}

		ids = append(ids, rec.ID)
	}

	return ids, nil
}

// refuse adds what one job refused. Trouble of the spool itself is returned, but only
// while nothing was done: what was done must be told.
func (b *bulk) refuse(id job.ID, err error) error {
	f := reply.FaultOf(err)

	if (f == nil || f.Status >= http.StatusInternalServerError) && b.size() == 0 {
		return fmt.Errorf("%s job %s: %w", b.do, id, err)
	}

	if f == nil {
		f = reply.NewFault(http.StatusInternalServerError, wire.CodeInternal, "internal error")
	}

	if f.Body.ID == nil {
		f.Body.ID = &id
	}

	b.answer.Refused = append(b.answer.Refused, f.Body)

	return nil
}
