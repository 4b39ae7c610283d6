package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

const (
	// awayMin and awayMax bound the pause before the daemon is tried again.
	awayMin = 100 * time.Millisecond
	awayMax = 10 * time.Second
)

// Wait returns the job as it is when it has ended, or has ended already. It outlives
// the daemon: while that is away it tries again and again. It returns an error only
// when ctx is done, there is no such job (any more), or the daemon refuses.
func (c *Client) Wait(ctx context.Context, id job.ID) (wire.Job, error) {
	w := waiter{client: c, id: id}

	for {
		j, err := w.listen(ctx)
		if err == nil || !passing(ctx, err) {
			return j, err
		}

		c.away(err)

		if err := w.rest(ctx, err); err != nil {
			return wire.Job{}, err
		}

		// What has ended while nobody listened is told again, but a daemon that
		// cannot tell events can still be asked.
		j, err = c.Job(ctx, id)
		if err == nil && j.State.Ended() {
			return j, nil
		}

		if err != nil && !passing(ctx, err) {
			return j, err
		}
	}
}

// waiter is one wait for a job.
type waiter struct {
	pauses

	client *Client
	id     job.ID
	cursor string // of the last event
}

// listen listens to the job's events until it has ended or the connection has.
func (w *waiter) listen(ctx context.Context) (wire.Job, error) {
	query := url.Values{"id": {w.id.String()}}
	r := request{
		method: http.MethodGet, path: []string{wire.PathEvents}, query: query,
		header: http.Header{"Accept": {"text/event-stream"}},
	}

	if w.cursor != "" {
		r.header.Set("Last-Event-ID", w.cursor)
	}

	answer, err := w.client.do(ctx, r)
	if err != nil {
		return wire.Job{}, err
	}
	defer answer.Body.Close()

	for event, err := range events(answer.Body) {
		if err != nil {
			return wire.Job{}, w.client.lost(ctx, err)
		}

		w.pauses = 0

		if event.Cursor != "" {
			w.cursor = event.Cursor
		}

		switch {
		case event.Kind == wire.KindEnded && event.Job != nil && event.Job.ID == w.id:
			return *event.Job, nil
		case event.Kind == wire.KindUnknown:
			return wire.Job{}, &Error{
				Code: wire.CodeNotFound, Status: http.StatusNotFound, ID: w.id,
				Message: fmt.Sprintf("there is no job %s", w.id),
			}
		case event.Kind == wire.KindEnd:
			return wire.Job{}, w.client.lost(ctx, errors.New(event.Reason))
		}
	}

	return wire.Job{}, w.client.lost(ctx, errors.New("the events end"))
}

// pauses is how long the last pause was before the daemon was tried again; zero:
// something was heard since.
type pauses time.Duration

// rest pauses, longer each time that nothing was heard since the last pause, or
// as long as the daemon asks for.
func (p *pauses) rest(ctx context.Context, why error) error {
	last := min(max(2*time.Duration(*p), awayMin), awayMax)
	*p = pauses(last)

	pause := last/2 + rand.N(last) //nolint:gosec // so that not all come back at once
	if e, ok := errors.AsType[*Error](why); ok {
		pause = max(pause, min(e.RetryAfter, awayMax))
	}

	timer := time.NewTimer(pause)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// passing says whether a later try may do better.
func passing(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}

	e, refused := errors.AsType[*Error](err)

	return !refused || e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests
}
