package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"importerd/internal/job"
)

// maxAnswer bounds an answer that is not streamed, in bytes.
const maxAnswer = 256 << 20

// request is one question.
type request struct {
	method string
	path   []string // a pattern of package wire, and what stands for its wildcards
	query  url.Values
	header http.Header
	body   io.Reader
	size   int64 // of the body; negative: not known
}

// do sends r and returns the answer, which is a success. Its body must be closed.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.url(r).String(), r.body)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}

	if r.body != nil {
		req.ContentLength = r.size
	}

	maps.Copy(req.Header, r.header)

	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}

	answer, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(ctx, err)
	}

	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		defer answer.Body.Close()

		return nil, errorOf(answer)
	}

	return answer, nil
}

// call sends r and reads the answer into out; nil: what it says does not matter.
func (c *Client) call(ctx context.Context, r request, out any) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()

	return c.ask(ctx, r, out)
}

// ask is call without a bound on its time.
func (c *Client) ask(ctx context.Context, r request, out any) error {
	answer, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()

	if out == nil {
		return nil
	}

	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return c.lost(ctx, err)
	}

	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer of %s to %s %s makes no sense: %w", c.addr, r.method, r.path[0], err)
	}

	return nil
}

// url returns where r goes.
func (c *Client) url(r request) *url.URL {
	plain, escaped := r.path[0], r.path[0]

	for _, value := range r.path[1:] {
		plain = fillIn(plain, value)
		escaped = fillIn(escaped, url.PathEscape(value))
	}

	u := *c.base
	u.Path = strings.TrimSuffix(c.base.Path, "/") + plain
	u.RawPath = strings.TrimSuffix(c.base.EscapedPath(), "/") + escaped
	u.RawQuery = r.query.Encode()

	return &u
}

// fillIn puts value where the first wildcard of a pattern stands.
func fillIn(pattern, value string) string {
	before, rest, _ := strings.Cut(pattern, "{")
	_, after, _ := strings.Cut(rest, "}")

	return before + value + after
}

// lost says what became of a question that has no answer.
func (c *Client) lost(ctx context.Context, err error) error {
	if wrapper, ok := errors.AsType[*url.Error](err); ok { // its text has the whole URL
		err = wrapper.Err
	}

	switch cause := context.Cause(ctx); {
	case cause != nil && !errors.Is(cause, errNoAnswer):
		return cause
	case errors.Is(err, ErrUnreachable):
		return err
	case cause != nil:
		err = cause
	}

	return fmt.Errorf("%w at %s: %w", ErrLost, c.addr, err)
}

// jsonRequest is a request to a path whose body is v.
func jsonRequest(path string, v any) (request, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return request{}, fmt.Errorf("make a request: %w", err)
	}

	return request{
		method: http.MethodPost, path: []string{path}, body: bytes.NewReader(text), size: int64(len(text)),
		header: http.Header{"Content-Type": {"application/json"}},
	}, nil
}

// idPath is the path of something of a job.
func idPath(pattern string, id job.ID) []string { return []string{pattern, id.String()} }
