package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"importerd/internal/config"
	"importerd/internal/control/client"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// socketName is that of the socket of a daemon that runs one spool, in the spool's
// own folder.
const socketName = "importerd.sock"

// maxToken bounds a file that holds a token, in bytes.
const maxToken = 4096

// api are the options that say where the daemon listens.
type api struct {
	listen    string // empty: where the spool or the configuration says
	tokenFile string
	away      func(error) // told by what follows jobs when the daemon is away
}

// remote is a daemon that has answered, with the spool that is meant.
type remote struct {
	*client.Client
	spool wire.Spool
}

// flags adds the options.
func (a *api) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.listen, "listen", "",
		"`ADDR` of the daemon: unix:/PATH, HOST:PORT or a URL (default as the spool or the configuration says)")
	cmd.Flags().StringVar(&a.tokenFile, "token-file", "", "`FILE` with the token that a daemon on TCP demands")
}

// apiVariables are the options that the environment may set for all that ask a daemon.
func apiVariables(others ...string) []string {
	return append([]string{"config", "output", "listen", "token-file"}, others...)
}

// connect returns a client of the daemon that is configured. Nothing is sent yet.
func (a *api) connect(configPath string) (*client.Client, error) {
	settings := config.LoadAPI(configPath)

	addresses, err := a.addresses("", settings)
	if err != nil {
		return nil, err
	}

	return a.client(addresses[0], settings)
}

// find asks for the daemon that has a spool, which is given by its directory or
// its name. Errors for which there may be another way: those that absent knows.
func (a *api) find(ctx context.Context, configPath, spool string) (*remote, error) {
	settings := config.LoadAPI(configPath)

	addresses, err := a.addresses(spool, settings)
	if err != nil {
		return nil, err
	}

	var worst error

	for _, addr := range addresses {
		c, err := a.client(addr, settings)
		if err != nil {
			return nil, err
		}

		r, err := a.ask(ctx, c, spool)
		if err == nil {
			return r, nil
		}

		c.Close()

		if worst == nil || !errors.Is(err, client.ErrUnreachable) { // one that answers says more
			worst = err
		}
	}

	return nil, worst
}

// ask asks one daemon whether it has the spool.
func (a *api) ask(ctx context.Context, c *client.Client, spool string) (*remote, error) {
	all, err := c.Spools(ctx)
	if err != nil {
		return nil, err
	}

	info, _ := os.Stat(spool) // not there: it can only be a name
	isPath := strings.Contains(spool, "/") || info != nil && info.IsDir() && a.listen == ""

	var names []string

	for _, s := range all {
		names = append(names, s.Name)

		at, err := os.Stat(s.Dir)
		if !isPath && s.Name == spool || info != nil && err == nil && os.SameFile(at, info) {
			return &remote{c, s}, nil
		}
	}

	return nil, &fault{
		code: codeNotSo, err: fmt.Errorf("the daemon at %s: %w %q", c.Addr(), errNoSpool, job.Show(spool)),
		hint: "the spools there are " + strings.Join(names, ", "),
	}
}

// errNoSpool says that a daemon does not have the spool that is meant.
var errNoSpool = errors.New("has no spool")

// absent says whether err means that nobody answers for the spool, or nobody who
// lets us ask, rather than that the options are wrong: there may be another way.
func absent(err error) bool {
	_, isFault := errors.AsType[*fault](err)

	return !isFault || errors.Is(err, errNoSpool)
}

// addresses returns where the daemon of a spool may listen, the likeliest first.
func (a *api) addresses(spool string, settings config.API) ([]string, error) {
	if a.listen != "" && a.listen != config.ListenNone {
		return []string{a.listen}, nil
	}

	var all []string

	own := filepath.Join(spool, string(job.OwnFolder), socketName)
	if _, err := os.Lstat(own); err == nil && spool != "" {
		all = append(all, "unix:"+own)
	}

	if settings.Listen != config.ListenNone && a.listen == "" {
		all = append(all, addressOf(settings))
	}

	if len(all) == 0 {
		return nil, fmt.Errorf("%w that listens: listen is %q", client.ErrUnreachable, config.ListenNone)
	}

	return all, nil
}

// addressOf returns where clients reach a daemon with these settings.
func addressOf(settings config.API) string {
	if _, unix := settings.SocketPath(); !unix && settings.TLSCert != "" {
		return "https://" + settings.Listen
	}

	return settings.Listen
}

// client returns a client of the daemon at addr. Settings of the daemon that is
// configured hold for that one only.
func (a *api) client(addr string, settings config.API) (*client.Client, error) {
	o := client.Options{Away: a.away}

	if addr == addressOf(settings) {
		o.TLS = ownTLS(settings)
		o.Token, _ = readToken(settings.TokenFile) // who may not read it may not use it
	}

	if a.tokenFile != "" {
		token, err := readToken(a.tokenFile)
		if err != nil {
			return nil, &fault{code: codeConfig, err: fmt.Errorf("--token-file: %w", err)}
		}

		o.Token = token
	}

	c, err := client.New(addr, o)
	if err != nil {
		return nil, usage("", "--listen: %w", err)
	}

	return c, nil
}

// readToken returns the token that a file holds.
func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	token := strings.TrimSpace(string(text))

	switch {
	case err != nil:
		return "", err //nolint:wrapcheck // names the operation and the path
	case token == "" || len(token) > maxToken || strings.ContainsAny(token, " \t\r\n"):
		return "", fmt.Errorf("%s: holds no token: write one line of up to %d characters without spaces",
			job.Show(path), maxToken)
	}

	return token, nil
}

// ownTLS makes a client trust the daemon's certificate, which need not be signed by
// anybody; nil: the daemon has none.
func ownTLS(settings config.API) *tls.Config {
	text, err := os.ReadFile(settings.TLSCert)
	if settings.TLSCert == "" || err != nil {
		return nil
	}

	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}

	pool.AppendCertsFromPEM(text)

	return &tls.Config{RootCAs: pool, ServerName: serverName(settings), MinVersion: tls.VersionTLS12}
}

// serverName is by which name the daemon's certificate may know it: that of the
// address, or one that the configuration gives it.
func serverName(settings config.API) string {
	host, _, _ := net.SplitHostPort(settings.Listen) // as it was checked
	if ip := net.ParseIP(host); ip != nil && len(settings.Hosts) > 0 {
		return settings.Hosts[0]
	}

	return host
}

// clientCode returns the exit code for an error of a client; false: it is none.
func clientCode(err error) (int, bool) {
	if errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrLost) {
		return codeUnavailable, true
	}

	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return 0, false
	}

	switch e.Code {
	case wire.CodeBadRequest, wire.CodeBadName, wire.CodeTooLarge:
		return codeData, true
	case wire.CodeBadConfig:
		return codeConfig, true
	case wire.CodeDisk:
		return codeUntrusted, true
	case wire.CodeNotFound, wire.CodeConflict, wire.CodeBusy, wire.CodePaused, wire.CodeDraining, wire.CodeDegraded,
		wire.CodeUnsupported:
		return codeNotSo, true
	default:
		return codeUnavailable, true
	}
}

// clientHint returns what to do about an error of a client; empty: the error says it.
func clientHint(err error) string {
	switch {
	case errors.Is(err, client.ErrUnreachable) && errors.Is(err, fs.ErrPermission):
		return "only root and the group of the socket may use it"
	case errors.Is(err, client.ErrUnreachable) &&
		(errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)):
		return "is it running? if so, say with --listen where it listens"
	case client.IsCode(err, wire.CodeUnauthorized):
		return "give the file that holds the daemon's token with --token-file"
	}

	return ""
}
