// Package client speaks to a daemon over its API. It reads no environment and no
// configuration: whoever uses it says where the daemon listens.
package client

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// answerTime is how long an answer that is not streamed may take if nothing else
// was said. A wish is written to the disk before it is answered.
const answerTime = 30 * time.Second

// Options are what New may be told.
type Options struct {
	Token  string        // bearer token; empty: none is sent
	TLS    *tls.Config   // for https; nil: as the system trusts
	Answer time.Duration // how long an answer that is not streamed may take; zero: 30 s
	// Away is told by what follows jobs each time that it has lost the daemon, before it
	// waits and tries again; nil: nobody is told.
	Away func(error)
}

// Client speaks to one daemon. Its methods may be called from several goroutines.
// All of them return an error that is ErrUnreachable, ErrLost, *Error, or that of
// the context; others mean that what answers is no daemon of ours.
type Client struct {
	addr  string   // as it was given
	base  *url.URL // of all requests
	http  *http.Client
	token string
	wait  time.Duration // for answers that are not streamed
	away  func(error)
}

// New returns a client of the daemon that listens at addr: unix:/path/of/socket,
// host:port, or a URL with http or https. No connection is made yet.
func New(addr string, o Options) (*Client, error) {
	base, dial, err := parse(addr)
	if err != nil {
		return nil, err
	}

	c := &Client{addr: addr, base: base, token: o.Token, wait: o.Answer, away: o.Away}

	if c.wait <= 0 {
		c.wait = answerTime
	}

	if c.away == nil {
		c.away = func(error) {}
	}

	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext:           dial,
			ExpectContinueTimeout: 5 * time.Second,
			TLSClientConfig:       o.TLS,
			TLSHandshakeTimeout:   dialTime,
			MaxIdleConns:          1,
			IdleConnTimeout:       time.Minute,
			ForceAttemptHTTP2:     base.Scheme == "https",
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	return c, nil
}

// Addr returns where the daemon listens, as New was told.
func (c *Client) Addr() string { return c.addr }

// Close ends connections that nothing uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// bounded returns ctx with the end of the wait for an answer that is not streamed.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.wait, errNoAnswer)
}
