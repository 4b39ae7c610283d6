package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

const (
	// maxJSON is how long the JSON of a request may be, in bytes.
	maxJSON = 1 << 20

	// bulkTime is after how long an answer about many jobs is given, with how to go on.
	bulkTime = 15 * time.Second

	// bulkPiece is how many jobs are steered at the same time: their wishes are then
	// flushed together.
	bulkPiece = 32
)

// retryJobs brings back all jobs that the body chooses and that can be.
func (s *Server) retryJobs(w http.ResponseWriter, r *http.Request) error {
	return s.bulk(w, r, job.Retry, job.Failed, job.Terminated)
}

// terminateJobs ends all jobs that the body chooses and that have not ended.
func (s *Server) terminateJobs(w http.ResponseWriter, r *http.Request) error {
	return s.bulk(w, r, job.Terminate, job.Deferred, job.Processing, job.Committing, job.Paused)
}

// bulk carries a verb out on all jobs that the body chooses and that are in one of
// the states, as many as one answer takes.
func (s *Server) bulk(w http.ResponseWriter, r *http.Request, do job.Verb, states ...job.State) error {
	until := time.Now().Add(bulkTime)

	var ask wire.Bulk
	if err := readJSON(w, r, &ask); err != nil {
		return err
	}

	if ask.Spool == "" {
		return badRequest("say which spool, as {\"spool\": \"NAME\"}: there %s", spoolNames(s.o.Spools()))
	}

	sp, err := s.spool(ask.Spool)
	if err != nil {
		return err
	}

	c := choice{spools: []*Spool{sp}, states: states, match: ask.Match}
	if err := c.complete(ask.Since, ask.Spool); err != nil {
		return err
	}

	l, err := c.open(ask.After)
	if err != nil {
		return err
	}

	answer := wire.BulkAnswer{Jobs: []wire.Job{}, Refused: []wire.Error{}}

	for more := true; more && len(answer.Jobs)+len(answer.Refused) < maxLimit && time.Now().Before(until); {
		if more, err = s.bulkPiece(r.Context(), l, do, &answer); err != nil {
			return err
		}
	}

	if answer.After, err = l.cursor(); err != nil {
		return err
	}

	return tell(w, http.StatusOK, answer)
}

// bulkPiece carries a verb out on the next jobs of a list; false: there are no more.
// What one job refuses is told of that job; other trouble concerns all.
func (s *Server) bulkPiece(ctx context.Context, l *list, do job.Verb, answer *wire.BulkAnswer) (bool, error) {
	var (
		recs []job.Record
		sp   *Spool
	)

	for len(recs) < bulkPiece {
		from, rec, err := l.next()
		if errors.Is(err, errNoMore) {
			break
		}

		if err != nil {
			return false, err
		}

		sp, recs = from, append(recs, rec)
	}

	errs := make([]error, len(recs))

	var steering sync.WaitGroup

	for i := range recs {
		steering.Go(func() {
			id := recs[i].ID
			if recs[i], errs[i] = sp.Steerer.Steer(ctx, id, do); errs[i] != nil {
				recs[i].ID = id
			}
		})
	}

	steering.Wait()

	for i, err := range errs {
		if err == nil {
			answer.Jobs = append(answer.Jobs, sp.shown(recs[i]))
		} else if err := refusedOne(answer, recs[i].ID, err); err != nil {
			return false, err
		}
	}

	return len(recs) == bulkPiece, nil
}

// refusedOne adds what one job refused. What is wrong with more than that job is
// returned, but only while nothing was done: what was done must be told.
func refusedOne(answer *wire.BulkAnswer, id job.ID, err error) error {
	f := faultOf(err)
	if f == nil || f.status >= http.StatusInternalServerError {
		if len(answer.Jobs)+len(answer.Refused) == 0 {
			return fmt.Errorf("job %s: %w", id, err)
		}
	}

	if f == nil {
		f = newFault(http.StatusInternalServerError, wire.CodeInternal, "internal error")
	}

	if f.body.ID == nil {
		f.body.ID = &id
	}

	answer.Refused = append(answer.Refused, f.body)

	return nil
}

// readJSON reads the JSON of a request. It must say that it is JSON: the forms of a
// foreign page cannot.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if _, err := parameters(r); err != nil {
		return err
	}

	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return badRequest("the body must be JSON: send Content-Type: application/json")
	}

	src := &source{Reader: http.MaxBytesReader(w, r.Body, maxJSON)}
	d := json.NewDecoder(src)
	d.DisallowUnknownFields()

	err = d.Decode(into)
	if err == nil {
		_, err = d.Token() // nothing may follow
		if errors.Is(err, io.EOF) {
			return nil
		}

		err = errors.New("more than one JSON object")
	}

	if src.err != nil {
		return bodyFault(src.err)
	}

	return badRequest("the body makes no sense: %s", err)
}
