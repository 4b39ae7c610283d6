package client

import (
	"context"
	"net/http"
	"net/url"

	"importerd/internal/control/wire"
)

// Standing says how the daemon and all its spools stand.
func (c *Client) Standing(ctx context.Context) (wire.Spools, error) {
	var all wire.Spools

	err := c.call(ctx, request{method: http.MethodGet, path: []string{wire.PathSpools}}, &all)

	return all, err
}

// Spools says how all spools stand.
func (c *Client) Spools(ctx context.Context) ([]wire.Spool, error) {
	all, err := c.Standing(ctx)

	return all.Spools, err
}

// PauseSpool stops claiming, durably: also a restart does not begin it again.
func (c *Client) PauseSpool(ctx context.Context, name string) error {
	return c.post(ctx, wire.PathSpoolPause, name)
}

// ResumeSpool begins claiming again.
func (c *Client) ResumeSpool(ctx context.Context, name string) error {
	return c.post(ctx, wire.PathSpoolResume, name)
}

// Reload has the configuration read again and says what has changed. Error: *Error
// with what is wrong with it; then nothing was changed.
func (c *Client) Reload(ctx context.Context) (wire.Reloaded, error) {
	var done wire.Reloaded

	err := c.call(ctx, request{method: http.MethodPost, path: []string{wire.PathReload}}, &done)

	return done, err
}

// Explain says where the file of a name is and why. The name is bytes.
func (c *Client) Explain(ctx context.Context, spool, name string) (wire.Explanation, error) {
	var e wire.Explanation

	err := c.call(ctx, request{
		method: http.MethodGet, path: []string{wire.PathExplain},
		query: url.Values{"spool": {spool}, "name": {name}},
	}, &e)

	return e, err
}

// post asks for something that needs nothing but a path.
func (c *Client) post(ctx context.Context, path ...string) error {
	return c.call(ctx, request{method: http.MethodPost, path: path}, nil)
}
