package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// Body is what is sent. If the reader returns another error than io.EOF, or less
// than Size, nothing is accepted. It is not read before the daemon has said that it takes
// it, and never closed; but it may still be read for a moment after there is an answer.
type Body struct {
	io.Reader
	Size int64 // bytes; negative: not known before its end
}

// Put makes a job of a file: name as job.CheckName allows, key the id that the job
// shall get, so that a repeat is harmless: it answers with the job that there is;
// zero: a new one each time. When it returns, the job survives a power cut. It
// takes as long as it takes; ErrLost says that the job may be there or not.
func (c *Client) Put(ctx context.Context, spool, name string, key job.ID, b Body) (wire.Job, error) {
	return c.send(ctx, []string{wire.PathFiles, spool}, name, key, b)
}

// Start makes a job of a trigger; name may be empty, and so may the body. Error
// with wire.CodeBusy: there is one, whose id and state it tells, that has not ended.
func (c *Client) Start(ctx context.Context, spool, name string, key job.ID, b Body) (wire.Job, error) {
	return c.send(ctx, []string{wire.PathSpoolStart, spool}, name, key, b)
}

// send posts a body and returns the job that was made of it.
func (c *Client) send(ctx context.Context, path []string, name string, key job.ID, b Body) (wire.Job, error) {
	r := request{
		method: http.MethodPost, path: path, query: url.Values{}, header: http.Header{}, body: http.NoBody,
	}

	if name != "" {
		r.query.Set("name", name)
	}

	if !key.IsZero() {
		r.header.Set("Idempotency-Key", key.String())
	}

	if b.Reader != nil && b.Size != 0 {
		r.body, r.size = io.NopCloser(b.Reader), b.Size
		r.header.Set("Content-Type", "application/octet-stream")
		r.header.Set("Expect", "100-continue") // who refuses can say so before it is sent
	}

	var j wire.Job

	err := c.ask(ctx, r, &j)

	return j, err
}
