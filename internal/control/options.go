package control

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"time"

	"importerd/internal/control/wire"

	"github.com/rs/zerolog"
)

// Options are what a Server is made of.
type Options struct {
	// Spools returns the spools, always in the same order. Each request asks anew.
	Spools func() []*Spool

	Monitor http.Handler // of WebSockets
	Events  http.Handler // of server-sent events
	Metrics http.Handler

	// Daemon says how the daemon stands; nil: only its version and whether it drains.
	Daemon func() wire.Daemon
	// Ready says why no work can be done; its text is shown. Nil: ready.
	Ready func() error
	// Draining says whether the daemon is about to end: new work is refused.
	Draining func() bool
	// Reload reads the configuration file again and says what has changed. The text of
	// its error is shown: no secret may be in it. Nil: there is no file.
	Reload func(ctx context.Context) (wire.Reloaded, error)

	// Token returns the bearer token that is needed over TCP; nil: there is none, and
	// only unix sockets are served.
	Token func() string
	// TLS is spoken over TCP; nil: none is, and only this machine is served.
	TLS *tls.Config
	// Hosts are names by which clients may call us besides the usual ones.
	Hosts []string

	MaxUpload int64         // bytes of a file; zero: no limit of ours
	MaxConns  int           // open at a time on each listener; zero: 1,024
	Rate      int           // requests a second in the long run; zero: 5,000
	Stall     time.Duration // within which bodies and answers must make progress; zero: 30 s
	Stop      time.Duration // that running answers have to finish in the end; zero: 10 s

	Log     zerolog.Logger
	Version string // of the daemon; told to those who may come in
}

// defaults of Options.
const (
	defaultConns = 1024
	defaultRate  = 5000
	defaultStall = 30 * time.Second
	defaultStop  = 10 * time.Second
)

// complete checks o and fills in what was left out.
func (o Options) complete() (Options, error) {
	if o.Spools == nil {
		return o, errors.New("bug: a server without spools")
	}

	if o.Draining == nil {
		o.Draining = func() bool { return false }
	}

	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}

	if o.Daemon == nil {
		o.Daemon = func() wire.Daemon { return wire.Daemon{Version: o.Version, Draining: o.Draining()} }
	}

	o.MaxConns = positive(o.MaxConns, defaultConns)
	o.Rate = positive(o.Rate, defaultRate)
	o.Stall = positive(o.Stall, defaultStall)
	o.Stop = positive(o.Stop, defaultStop)

	return o, nil
}

// positive returns n, or otherwise if n is none.
func positive[N int | time.Duration](n, otherwise N) N {
	if n > 0 {
		return n
	}

	return otherwise
}
