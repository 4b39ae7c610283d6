package guard

import (
	"net"
	"net/http"
	"strings"
)

// unixHost is the name by which clients may call us over a unix socket. Over TCP
// a name server could lead somebody's browser to us by it.
const unixHost = "importerd"

// knowsHost says whether r was meant for us. A page whose name was made to mean
// our address (DNS rebinding) is of the same origin as we, for its browser: only
// the name that it uses gives it away.
func (g *Guard) knowsHost(r *http.Request) bool {
	host := hostOf(r.Host)
	if g.hosts[host] {
		return true
	}

	local := localAddr(r)
	if isUnix(local) {
		return host == unixHost
	}

	// An address cannot be made to mean another one.
	tcp, ok := local.(*net.TCPAddr)
	ip := net.ParseIP(host)

	return ok && ip != nil && ip.Equal(tcp.IP)
}

// foreign says whether a page of another origin made a browser send r, where that
// matters: in requests that change something, and in WebSockets, which pages may
// read whatever their origin.
func (g *Guard) foreign(r *http.Request) bool {
	judged := r
	if isUpgrade(r) {
		post := *r
		post.Method = http.MethodPost // the method of a WebSocket is GET, which is always let through
		judged = &post
	}

	return g.cross.Check(judged) != nil
}

// isUpgrade says whether r wants to become a WebSocket.
func isUpgrade(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// hostOf returns the host of a Host header, in lower case, without port and brackets.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}

	return strings.ToLower(host)
}

// localAddr returns the address at which r came in; nil: not known.
func localAddr(r *http.Request) net.Addr {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)

	return addr
}

// isUnix says whether addr is a unix socket.
func isUnix(addr net.Addr) bool { return addr != nil && addr.Network() == "unix" }
