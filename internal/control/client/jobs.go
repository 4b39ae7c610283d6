package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// Query chooses jobs. Each field that is not zero narrows the choice.
type Query struct {
	Spool string
	State job.State
	Name  string // as dropped, exactly
	Match string // a glob for names as dropped
	Since string // a duration: ended (or, not ended, come to be) so long ago at most
	Limit int    // at most so many on a page; the daemon may give fewer
	After string // the page behind the one that told this
}

// Jobs returns one page of the jobs that q chooses, the newest first.
func (c *Client) Jobs(ctx context.Context, q Query) (wire.Jobs, error) {
	values := url.Values{}

	for key, value := range map[string]string{
		"spool": q.Spool, "state": string(q.State), "name": q.Name, "match": q.Match,
		"since": q.Since, "after": q.After,
	} {
		if value != "" {
			values.Set(key, value)
		}
	}

	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}

	var page wire.Jobs

	err := c.call(ctx, request{method: http.MethodGet, path: []string{wire.PathJobs}, query: values}, &page)

	return page, err
}

// AllJobs yields the jobs that q chooses from all pages. After an error nothing
// follows.
func (c *Client) AllJobs(ctx context.Context, q Query) iter.Seq2[wire.Job, error] {
	return func(yield func(wire.Job, error) bool) {
		for more := true; more; {
			page, err := c.Jobs(ctx, q)
			if err != nil {
				yield(wire.Job{}, err)

				return
			}

			for _, j := range page.Jobs {
				if !yield(j, nil) {
					return
				}
			}

			more = page.After != "" && page.After != q.After
			q.After = page.After
		}
	}
}

// Job returns one job. Error with wire.CodeNotFound: there is none.
func (c *Client) Job(ctx context.Context, id job.ID) (wire.Job, error) {
	var j wire.Job

	err := c.call(ctx, request{method: http.MethodGet, path: idPath(wire.PathJob, id)}, &j)

	return j, err
}

// Steer carries a verb out on a job and returns how the job is now. What was
// wished is durable when it returns. Error with wire.CodeConflict: its state, which is
// told, does not allow it.
func (c *Client) Steer(ctx context.Context, id job.ID, verb job.Verb) (wire.Job, error) {
	var j wire.Job

	err := c.call(ctx, request{
		method: http.MethodPost, path: []string{wire.PathVerb, id.String(), string(verb)},
	}, &j)

	return j, err
}

// Bulk carries a verb, job.Retry or job.Terminate, out on many jobs of a spool, as many
// as one answer takes: while its After is not empty, there are more behind it.
func (c *Client) Bulk(ctx context.Context, verb job.Verb, which wire.Bulk) (wire.BulkAnswer, error) {
	path := wire.PathBulkRetry
	if verb == job.Terminate {
		path = wire.PathBulkEnd
	}

	var answer wire.BulkAnswer

	r, err := jsonRequest(path, which)
	if err == nil {
		err = c.ask(ctx, r, &answer) // as long as it takes
	}

	return answer, err
}

// Log returns what the job's handler has said, from the begin; follow: and what it
// says until the job has ended. Close ends it. While it is read an error may be ErrLost.
func (c *Client) Log(ctx context.Context, id job.ID, follow bool) (io.ReadCloser, error) {
	values := url.Values{}
	if follow {
		values.Set("follow", "true")
	}

	answer, err := c.do(ctx, request{method: http.MethodGet, path: idPath(wire.PathLog, id), query: values})
	if err != nil {
		return nil, err
	}

	return &stream{answer.Body, func(err error) error { return c.lost(ctx, err) }}, nil
}

// stream is the body of an answer whose errors are ours.
type stream struct {
	io.ReadCloser
	lost func(error) error
}

// Read passes the call on.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // as it is returned
		err = s.lost(err)
	}

	return n, err
}
