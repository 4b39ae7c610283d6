package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"importerd/internal/config"
	"importerd/internal/control"
	"importerd/internal/job"
)

const (
	// apiGrace is how long answers that are under way may take at the end.
	apiGrace = 10 * time.Second
	// listenEvery is how often it is tried again to listen where that was not
	// possible and nobody had asked for it.
	listenEvery = 5 * time.Second
	// minToken is the least length of a token, in bytes.
	minToken = 16
	// maxToken bounds what is read of a token's file.
	maxToken = 4096
)

// ListenError says that the API cannot listen where it shall.
type ListenError struct{ Err error }

// Error says it for people.
func (e *ListenError) Error() string { return "api: " + e.Err.Error() }

// Unwrap returns why.
func (e *ListenError) Unwrap() error { return e.Err }

// api listens and answers.
type api struct {
	app    *App
	cfg    config.API
	asked  bool // somebody has said where to listen: if that fails the daemon does not start
	server *control.Server
	ready  chan []net.Listener // listen sends once, run receives; holds one
}

// newAPI returns the API of the daemon.
func newAPI(a *App) (*api, error) {
	cfg := a.opts.Config.API
	p := &api{app: a, cfg: cfg, ready: make(chan []net.Listener, 1)}
	p.asked = cfg.Listen != "" && cfg.Listen != config.DefaultListen || len(a.opts.Sockets) > 0

	if all := a.lines.configured(); cfg.Listen == "" && len(all) > 0 {
		p.cfg.Listen = "unix:" + filepath.Join(all[0].dir, string(job.OwnFolder), "importerd.sock")
	}

	if a.opts.Once && !p.asked {
		p.cfg.Listen = config.ListenNone
	}

	token, err := p.token()
	if err != nil {
		return nil, err
	}

	p.server, err = p.newServer(token)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}

	return p, nil
}

// newServer makes the server.
func (p *api) newServer(token string) (*control.Server, error) {
	a := p.app

	secret, err := tlsConfig(p.cfg)
	if err != nil {
		return nil, &ListenError{err}
	}

	reload := a.Reload
	if a.opts.Reload == nil {
		reload = nil // the API says so
	}

	//nolint:wrapcheck // the caller says what it is about
	return control.New(control.Options{
		Spools: a.faces, Reload: reload,
		Monitor: a.hub.WebSocket(), Events: a.hub.Events(),
		Daemon: a.daemon, Ready: p.isReady,
		Draining: func() bool {
			_, draining := a.stages.Began()

			return draining
		},
		Metrics: a.metrics.Handler(), Token: held(token), TLS: secret, Hosts: p.cfg.Hosts, MaxUpload: p.cfg.MaxUpload,
		Version: a.opts.Version, Log: a.opts.Log,
	})
}

// faces returns the spools as the API sees them.
func (a *App) faces() []*control.Spool {
	lines := a.lines.all()
	faces := make([]*control.Spool, 0, len(lines))

	for _, l := range lines {
		faces = append(faces, l.face)
	}

	return faces
}

// held returns what gives the token; nil: there is none.
func held(token string) func() string {
	if token == "" {
		return nil
	}

	return func() string { return token }
}

// isReady says why the daemon does not do its work; nil: it does.
func (p *api) isReady() error {
	if _, draining := p.app.stages.Began(); draining {
		return job.ErrDraining
	}

	var errs []error

	for _, l := range p.app.lines.configured() {
		if _, leave, err := (remote{l}).enter(); err != nil {
			errs = append(errs, fmt.Errorf("spool %s: %w", l.name, err))
		} else {
			leave()
		}
	}

	return errors.Join(errs...)
}

// token reads the bearer token; empty: there is none.
func (p *api) token() (string, error) {
	path := p.cfg.TokenFile
	if path == "" {
		return "", nil
	}

	if name, ok := strings.CutPrefix(path, config.CredentialPrefix); ok {
		if p.app.opts.Env.Credentials == "" {
			return "", &ListenError{fmt.Errorf("token_file: the service manager has given no credentials: "+
				"add LoadCredential=%s:/etc/importerd/token to the unit", name)}
		}

		path = filepath.Join(p.app.opts.Env.Credentials, name)
	}

	info, err := os.Stat(path)
	if err != nil {
		return "", &ListenError{fmt.Errorf("token_file: %w", err)}
	}

	if !info.Mode().IsRegular() || info.Size() > maxToken {
		return "", &ListenError{fmt.Errorf("token_file: %s is no file that holds a token", path)}
	}

	if info.Mode().Perm()&0o004 != 0 {
		p.app.opts.Log.Warn().Str("path", path).Msg("everybody may read the token: chmod o-r")
	}

	data, err := os.ReadFile(path)
	if err != nil {
		return "", &ListenError{fmt.Errorf("token_file: %w", err)}
	}

	token := strings.TrimSpace(string(data))
	if len(token) < minToken {
		return "", &ListenError{fmt.Errorf("token_file: the token in %s has less than %d characters: "+
			"openssl rand -hex 32 makes a good one", path, minToken)}
	}

	return token, nil
}

// listen begins to listen. Nobody is answered before run. Where nobody has asked
// for the API, it is tried again later.
func (p *api) listen(ctx context.Context) error {
	listeners, err := p.open(ctx)

	switch _, taken := errors.AsType[*SocketTakenError](err); {
	case err == nil:
		p.ready <- listeners
	case p.asked || taken:
		return &ListenError{err}
	default:
		p.app.opts.Log.Warn().Err(err).Str("listen", p.cfg.Listen).Msg("no api yet")
	}

	return nil
}

// open opens the listeners.
func (p *api) open(ctx context.Context) ([]net.Listener, error) {
	if taken := p.app.opts.Sockets; len(taken) > 0 {
		return p.handedOver(taken)
	}

	if p.cfg.Listen == config.ListenNone {
		return nil, nil
	}

	var (
		l   net.Listener
		err error
	)

	if path, unix := p.cfg.SocketPath(); unix {
		l, err = listenUnix(ctx, path)
	} else {
		l, err = listenTCP(ctx, p.cfg.Listen)
	}

	return []net.Listener{l}, err
}

// handedOver takes the sockets of a socket unit under the same rules as our own.
func (p *api) handedOver(taken []net.Listener) ([]net.Listener, error) {
	listeners := make([]net.Listener, 0, len(taken))

	for _, l := range taken {
		if l.Addr().Network() == "tcp" {
			cfg := p.cfg
			cfg.Listen = l.Addr().String()

			if err := cfg.Validate(); err != nil {
				return nil, fmt.Errorf("socket of the service manager: %w", err)
			}
		}

		listeners = append(listeners, l)
	}

	return listeners, nil
}

// run answers until ctx is done.
func (p *api) run(ctx context.Context) error {
	tick := time.NewTicker(listenEvery)
	defer tick.Stop()

	for {
		select {
		case <-ctx.Done():
			return p.leave()
		case listeners := <-p.ready:
			return p.serve(ctx, listeners)
		case <-tick.C:
			p.again(ctx)
		}
	}
}

// leave closes listeners that nobody has served.
func (p *api) leave() error {
	select {
	case listeners := <-p.ready:
		var errs []error
		for _, l := range listeners {
			errs = append(errs, l.Close())
		}

		return errors.Join(errs...)
	default:
		return nil
	}
}

// again tries to listen where that was not possible.
func (p *api) again(ctx context.Context) {
	select {
	case <-p.app.up:
	default:
		return // the start is not over: listen comes
	}

	if listeners, err := p.open(ctx); err == nil {
		p.ready <- listeners
	} else if !errors.Is(err, fs.ErrNotExist) {
		p.app.opts.Log.Debug().Err(err).Msg("no api yet")
	}
}

// serve answers on all listeners.
func (p *api) serve(ctx context.Context, listeners []net.Listener) error {
	var wg sync.WaitGroup

	errs := make([]error, len(listeners))

	for i, l := range listeners {
		p.app.opts.Log.Info().Str("address", l.Addr().Network()+":"+l.Addr().String()).Msg("api")
		wg.Go(func() {
			if errs[i] = p.server.Serve(ctx, l); errs[i] != nil && ctx.Err() == nil {
				p.app.opts.Log.Error().Err(errs[i]).Msg("api answers no more there")
			}
		})
	}

	stop := context.AfterFunc(ctx, func() { p.app.hub.Shut("the daemon ends") })
	defer stop()

	wg.Wait()

	return errors.Join(errs...)
}
