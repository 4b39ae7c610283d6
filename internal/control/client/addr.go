package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// dialTime is how long it may take to get a connection.
	dialTime = 10 * time.Second

	// maxSocket is the longest path that the kernel takes for a socket, in bytes.
	maxSocket = 107

	// unixHost is what requests over a socket have as their host: no name of a
	// host can lead there.
	unixHost = "localhost"
)

// dialer makes connections to the daemon.
type dialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// parse says what requests begin with and how to reach what addr names.
func parse(addr string) (*url.URL, dialer, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if path == "" {
			return nil, nil, fmt.Errorf("%q names no socket: write unix:/path/of/socket", addr)
		}

		return &url.URL{Scheme: "http", Host: unixHost}, dialUnix(addr, path), nil
	}

	if strings.Contains(addr, "://") {
		base, err := url.Parse(addr)
		if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
			return nil, nil, fmt.Errorf("%q is no address of a daemon: write as http://host:port or https://host", addr)
		}

		return base, dialTCP(addr), nil
	}

	host, port, err := net.SplitHostPort(addr)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		return nil, nil, fmt.Errorf("%q is no address of a daemon: write unix:/path/of/socket or host:port", addr)
	}

	if host == "" {
		host = "127.0.0.1"
	}

	return &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}, dialTCP(addr), nil
}

// dialTCP connects to the host of the request.
func dialTCP(addr string) dialer {
	d := net.Dialer{Timeout: dialTime}

	return func(ctx context.Context, network, host string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, host)

		return conn, unreachable(addr, err)
	}
}

// dialUnix connects to the socket at path, whatever the request says.
func dialUnix(addr, path string) dialer {
	d := net.Dialer{Timeout: dialTime}

	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		if len(path) <= maxSocket {
			conn, err := d.DialContext(ctx, "unix", path)

			return conn, unreachable(addr, err)
		}

		conn, err := dialLong(ctx, &d, path)

		return conn, unreachable(addr, err)
	}
}

// dialLong connects to a socket whose path is longer than the kernel takes: by way of
// its directory.
func dialLong(ctx context.Context, d *net.Dialer, path string) (net.Conn, error) {
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the directory of the socket: %w", err)
	}
	defer unix.Close(dir) //nolint:errcheck // nothing was written

	return d.DialContext(ctx, "unix", //nolint:wrapcheck // unreachable does
		fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(path)))
}

// unreachable makes ErrUnreachable of an error of a connection that was not made.
func unreachable(addr string, err error) error {
	if err == nil {
		return nil
	}

	if op, ok := errors.AsType[*net.OpError](err); ok { // its text has the path once more
		err = op.Err
	}

	return fmt.Errorf("%w at %s: %w", ErrUnreachable, addr, err)
}
