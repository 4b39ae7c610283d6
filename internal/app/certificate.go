package app

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"importerd/internal/config"
)

// certificate is a certificate with its key, read anew when the file has changed:
// whoever renews it need not restart the daemon.
type certificate struct {
	cert, key string // paths

	mu   sync.Mutex
	at   time.Time        // guarded by mu; mtime of the file with the certificate
	pair *tls.Certificate // guarded by mu
}

// tlsConfig returns how TLS is spoken; nil: it is not.
func tlsConfig(api config.API) (*tls.Config, error) {
	if api.TLSCert == "" {
		return nil, nil //nolint:nilnil // no certificate, no TLS
	}

	c := &certificate{cert: api.TLSCert, key: api.TLSKey}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}

	return &tls.Config{
		GetCertificate: c.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, // WebSockets need it
	}, nil
}

// get returns the certificate. One that cannot be read, or of which only a half
// has come yet, leaves the one before in force.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()

	info, err := os.Stat(c.cert)
	if err == nil && c.pair != nil && info.ModTime().Equal(c.at) {
		return c.pair, nil
	}

	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.cert, c.key)
	}

	switch {
	case err == nil:
		c.at, c.pair = info.ModTime(), &pair
	case c.pair == nil:
		return nil, fmt.Errorf("certificate: %w", err)
	}

	return c.pair, nil
}
