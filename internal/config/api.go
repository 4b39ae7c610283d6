package config

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// DefaultListen is where the daemon listens if the file does not say.
const DefaultListen = "unix:/run/importerd/importerd.sock"

// ListenNone is the address of a daemon that has no API.
const ListenNone = "none"

// CredentialPrefix begins the place of a token that the service manager hands over
// as a credential of that name.
const CredentialPrefix = "credential:" //nolint:gosec // no secret

const (
	// defaultUpload is how much one upload may hold if nobody says.
	defaultUpload = 10 << 30

	// maxSocketPath is more than the kernel takes for a socket (107 bytes): longer
	// ones are reached through their directory.
	maxSocketPath = 1024
)

// API is what the operator wrote of the API: where it listens and who may use it.
type API struct {
	Listen    string   // unix:/PATH, HOST:PORT, or none
	TokenFile string   // absolute path of a file that holds the bearer token, or credential:NAME; empty: there is none
	TLSCert   string   // absolute path of a certificate in PEM; empty: no TLS
	TLSKey    string   // absolute path of its key in PEM
	Hosts     []string // names by which clients may call it besides those of the address
	MaxUpload int64    // bytes of one upload
}

// DefaultAPI returns an API with all defaults.
func DefaultAPI() API { return API{Listen: DefaultListen, MaxUpload: defaultUpload} }

// SocketPath returns the path of the unix socket; false: it is not one.
func (a API) SocketPath() (string, bool) { return strings.CutPrefix(a.Listen, "unix:") }

// Validate joins all that is impossible, each beginning with its key.
func (a API) Validate() error {
	var all []error

	for _, key := range apiKeys(&a) {
		if err := key.field.check(); err != nil {
			all = append(all, fmt.Errorf("%s: %w", key.key, err))
		}
	}

	return errors.Join(append(all, a.conflicts()...)...)
}

// Differences returns the keys that other has another value for.
func (a API) Differences(other API) []string {
	var keys []string

	for _, one := range []struct {
		key  string
		same bool
	}{
		{"listen", a.Listen == other.Listen},
		{"token_file", a.TokenFile == other.TokenFile},
		{"tls_cert", a.TLSCert == other.TLSCert},
		{"tls_key", a.TLSKey == other.TLSKey},
		{"hosts", slices.Equal(a.Hosts, other.Hosts)},
		{"max_upload", a.MaxUpload == other.MaxUpload},
	} {
		if !one.same {
			keys = append(keys, one.key)
		}
	}

	return keys
}

// conflicts returns what does not go together, each beginning with its key.
func (a API) conflicts() []error {
	var all []error

	if (a.TLSCert == "") != (a.TLSKey == "") {
		all = append(all, errors.New("tls_cert: tls_cert and tls_key belong together: write both or none"))
	}

	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil || strings.HasPrefix(a.Listen, "unix:") {
		return all
	}

	if a.TokenFile == "" {
		all = append(all, errors.New("listen: over TCP a token is needed: write token_file = \"/etc/importerd/token\""))
	}

	if a.TLSCert == "" && !loopback(host) {
		all = append(all, fmt.Errorf("listen: %s can be reached from other machines: write tls_cert and tls_key, "+
			"or listen on 127.0.0.1", a.Listen))
	}

	return all
}

// loopback says whether only this machine can reach host.
func loopback(host string) bool {
	ip := net.ParseIP(host)

	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// apiKey is a key at the top of the file.
type apiKey struct {
	key, example string
	field        field
}

// apiKeys binds the keys to the fields of a.
func apiKeys(a *API) []apiKey {
	return []apiKey{
		{"listen", `"` + DefaultListen + `"`, text{&a.Listen, "ADDR", checkListen}},
		{"token_file", `"/etc/importerd/token"`, text{&a.TokenFile, "FILE", checkToken}},
		{"tls_cert", `"/etc/importerd/cert.pem"`, text{&a.TLSCert, "FILE", checkPath}},
		{"tls_key", `"/etc/importerd/key.pem"`, text{&a.TLSKey, "FILE", checkPath}},
		{"hosts", `["importer.example.org"]`, list{&a.Hosts, "HOST", checkHost}},
		{"max_upload", `"10GiB"`, size{&a.MaxUpload}},
	}
}

// APIValue binds a key of the API to its field in a, as a flag.
func APIValue(a *API, key string) Value {
	keys := apiKeys(a)

	i := slices.IndexFunc(keys, func(k apiKey) bool { return k.key == key })

	value, ok := keys[i].field.(scalar)
	if !ok {
		panic("bug: no flag can set " + key)
	}

	return Value{value}
}

// topKeys returns the keys that may stand at the top of the file.
func topKeys() []string {
	keys := []string{"spool"}
	for _, k := range apiKeys(&API{}) {
		keys = append(keys, k.key)
	}

	slices.Sort(keys)

	return keys
}

// checkListen judges an address to listen on.
func checkListen(addr string) error {
	if addr == ListenNone {
		return nil
	}

	if path, unix := strings.CutPrefix(addr, "unix:"); unix {
		switch {
		case strings.ContainsRune(path, 0):
			return errors.New("has a zero byte: write a path without one")
		case !filepath.IsAbs(path) || strings.HasSuffix(path, "/"):
			return fmt.Errorf("%q is no absolute path of a socket: write it as unix:/run/importerd/importerd.sock", path)
		case len(path) >= maxSocketPath:
			return fmt.Errorf("has %d bytes: a socket's path has less than %d", len(path), maxSocketPath)
		}

		return nil
	}

	host, port, err := net.SplitHostPort(addr)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || host == "" || n == 0 && port != "0" {
		return fmt.Errorf("%q is no address: write unix:/PATH, 127.0.0.1:8080, or none", addr)
	}

	return nil
}

// checkToken judges the place of a token.
func checkToken(place string) error {
	if name, ok := strings.CutPrefix(place, CredentialPrefix); ok {
		if name == "" || strings.ContainsAny(name, "/\x00") || strings.Trim(name, ".") == "" {
			return fmt.Errorf("%q is no credential: write it as %stoken", place, CredentialPrefix)
		}

		return nil
	}

	return checkPath(place)
}

// checkHost judges a name in hosts.
func checkHost(_ int, host string) error {
	if host == "" || strings.ContainsAny(host, "/ \x00") || strings.Contains(host, "://") {
		return fmt.Errorf("%q is no host: write a name as importer.example.org, without http:// and without a path", host)
	}

	return nil
}

// size is a number of bytes, written with its unit.
type size struct{ p *int64 }

func (s size) show() string {
	return strings.ReplaceAll(humanize.IBytes(uint64(max(0, *s.p))), " ", "")
}
func (s size) word() string     { return "SIZE" }
func (s size) load(v any) error { return loadText(v, s.set) }
func (s size) set(value string) error {
	n, err := humanize.ParseBytes(value)
	if err != nil || n > 1<<60 {
		return fmt.Errorf("%q is no size: write a number and a unit, as 500MiB or 10GiB", value)
	}

	return try(s.p, int64(n), s.check)
}

func (s size) check() error {
	if *s.p < 1 {
		return errors.New("is nothing: write a size, as 500MiB or 10GiB")
	}

	return nil
}
