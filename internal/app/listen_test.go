package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"importerd/internal/app"
	"importerd/internal/config"
)

const token = "0123456789abcdef0123456789abcdef"

// ask returns the status of an answer; 0: there is none.
func ask(t *testing.T, c *http.Client, url, token string) int {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}

	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}

	answer, err := c.Do(r)
	if err != nil {
		return 0
	}

	defer answer.Body.Close()

	return answer.StatusCode
}

// over returns a client that reaches everything by way of a socket.
func over(t *testing.T, socket string) *http.Client {
	t.Helper()

	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)

	return &http.Client{Transport: transport}
}

// stops ends the daemon, which must end well.
func (d *daemon) stops() {
	d.t.Helper()
	d.Signal()

	if err := d.wait(); err != nil {
		d.t.Error(err)
	}
}

func TestSocketOfASpool(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	socket := s.path(".importerd", "importerd.sock")

	d := start(t, app.Options{}, s)
	d.await(`"message":"ready"`)

	if got := ask(t, over(t, socket), "http://localhost/readyz", ""); got != http.StatusOK {
		t.Errorf("ready: %d", got)
	}

	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}

	d.stops()

	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Error("the socket is left")
	}
}

func TestDirectoryOfTheSocketIsMade(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	dir := filepath.Join(t.TempDir(), "run")

	d := start(t, at("unix:"+filepath.Join(dir, "s")), s)
	d.await(`"message":"ready"`)

	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}

	d.stops()
}

// TestSocketInASpoolsDirectory: that directory is locked already, by ourselves.
func TestSocketInASpoolsDirectory(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")

	d := start(t, at("unix:"+s.path("s")), s)
	d.await(`"message":"ready"`)
	d.stops()
}

func TestOldSocketIsReplaced(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	path := filepath.Join(t.TempDir(), "s")
	opts := at("unix:" + path)

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}

	err = start(t, opts, s).wait()
	if taken, ok := errors.AsType[*app.SocketTakenError](err); !ok || taken.Path != path {
		t.Errorf("beside a living one: %v", err)
	}

	l.SetUnlinkOnClose(false)
	_ = l.Close()

	d := start(t, opts, s)
	d.await(`"message":"ready"`)

	if got := ask(t, over(t, path), "http://localhost/readyz", ""); got != http.StatusOK {
		t.Errorf("ready: %d", got)
	}

	d.stops()
}

func TestFileInThePlaceOfTheSocketStays(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	path := filepath.Join(t.TempDir(), "precious")
	opts := at("unix:" + path)

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}

	err := start(t, opts, s).wait()
	if _, ok := errors.AsType[*app.ListenError](err); !ok || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("ended with %v", err)
	}

	if text, _ := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file holds %q", text)
	}
}

func TestLongPathOfASocket(t *testing.T) {
	t.Parallel()

	s := newSpool(t, "true")
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 200))

	d := start(t, at("unix:"+filepath.Join(dir, "s")), s)
	d.await(`"message":"ready"`)

	handle, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()

	short := fmt.Sprintf("/proc/self/fd/%d/s", handle.Fd())
	if got := ask(t, over(t, short), "http://localhost/readyz", ""); got != http.StatusOK {
		t.Errorf("ready: %d", got)
	}

	d.stops()

	if _, err := os.Stat(filepath.Join(dir, "s")); !os.IsNotExist(err) {
		t.Error("the socket is left")
	}
}

// at returns the options of a daemon that listens at an address.
func at(listen string) app.Options {
	api := config.DefaultAPI()
	api.Listen = listen

	return app.Options{Config: config.Config{API: api}}
}

// keyPair writes a certificate for 127.0.0.1 and its key, and returns the certificate.
func keyPair(t *testing.T, certPath, keyPath string, serial int64) *x509.Certificate {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	template := x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "importerd"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}

	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}

	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}

	for path, block := range map[string]*pem.Block{
		keyPath: {Type: "PRIVATE KEY", Bytes: der}, certPath: {Type: "CERTIFICATE", Bytes: cert},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}

	return parsed
}

func TestTLSWithATokenAndARenewedCertificate(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	s := newSpool(t, "true")
	opts := at("0.0.0.0:0")
	api := &opts.Config.API
	api.TokenFile = filepath.Join(dir, "token")
	api.TLSCert, api.TLSKey = filepath.Join(dir, "cert"), filepath.Join(dir, "key")

	if err := os.WriteFile(api.TokenFile, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	first := keyPair(t, api.TLSCert, api.TLSKey, 1)

	d := start(t, opts, s)
	d.await(`"message":"ready"`)

	port := regexp.MustCompile(`"address":"tcp:\S*:(\d+)"`).FindStringSubmatch(d.log.String())
	url := "https://127.0.0.1:" + port[1] + "/v1/spools"

	if got := ask(t, trusting(t, first), url, ""); got != http.StatusUnauthorized {
		t.Errorf("without the token: %d", got)
	}

	if got := ask(t, trusting(t, first), url, token); got != http.StatusOK {
		t.Errorf("with the token: %d", got)
	}

	second := keyPair(t, api.TLSCert, api.TLSKey, 2)
	if err := os.Chtimes(api.TLSCert, time.Now(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}

	if got := ask(t, trusting(t, second), url, token); got != http.StatusOK {
		t.Errorf("with the renewed certificate: %d", got)
	}

	if err := os.WriteFile(api.TLSCert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}

	if got := ask(t, trusting(t, second), url, token); got != http.StatusOK {
		t.Errorf("while it is written: %d", got)
	}

	d.stops()

	if strings.Contains(d.log.String(), token) {
		t.Error("the token is in the log")
	}
}

// trusting returns a client that knows a certificate, for one connection.
func trusting(t *testing.T, cert *x509.Certificate) *http.Client {
	t.Helper()

	pool := x509.NewCertPool()
	pool.AddCert(cert)

	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)

	return &http.Client{Transport: transport}
}

func TestTokenMustBeGood(t *testing.T) {
	t.Parallel()

	for text, says := range map[string]string{
		"short": "characters", strings.Repeat("x", 5000): "no file that holds a token",
	} {
		s := newSpool(t, "true")
		opts := at("127.0.0.1:0")
		opts.Config.API.TokenFile = filepath.Join(t.TempDir(), "token")
		opts.Config.Spools = []config.Spool{s.cfg}

		if err := os.WriteFile(opts.Config.API.TokenFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		if _, err := app.New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

// TestDaemonsThatStartTogether: of several that find an old socket one gets it.
func TestDaemonsThatStartTogether(t *testing.T) {
	t.Parallel()

	const daemons = 6

	path := filepath.Join(t.TempDir(), "s")

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}

	l.SetUnlinkOnClose(false)
	_ = l.Close()

	var all []*daemon
	for range daemons {
		all = append(all, start(t, at("unix:"+path), newSpool(t, "true")))
	}

	lives := func() (living []*daemon) {
		for _, d := range all {
			if len(d.ended) == 0 {
				living = append(living, d)
			}
		}

		return living
	}

	await(t, "one is left", func() bool { return len(lives()) == 1 })

	winner := lives()[0]
	winner.await(`"message":"ready"`)

	if got := ask(t, over(t, path), "http://localhost/readyz", ""); got != http.StatusOK {
		t.Errorf("ready: %d", got)
	}

	winner.stops()
}
