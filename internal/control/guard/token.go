package guard

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"importerd/internal/control/wire"
)

const (
	authorization = "Authorization"
	subprotocol   = "Sec-Websocket-Protocol"
)

// authorized says whether r may come in. Over a unix socket it may: the socket's
// mode was checked by the kernel.
func (g *Guard) authorized(r *http.Request) bool {
	if g.token == nil || isUnix(localAddr(r)) {
		return true
	}

	want := g.token()
	if len(want) < MinToken {
		return false
	}

	return same(want, bearer(r)) || isUpgrade(r) && same(want, subprotocolToken(r.Header))
}

// same compares in constant time. The sums have one length, whatever was given.
func same(want, got string) bool {
	a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(got))

	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// bearer returns the token of the Authorization header; two headers are none.
func bearer(r *http.Request) string {
	values := r.Header.Values(authorization)
	if len(values) != 1 {
		return ""
	}

	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}

	return strings.TrimSpace(token)
}

// subprotocolToken returns the token that a browser offers as a subprotocol.
func subprotocolToken(h http.Header) string {
	for _, protocol := range protocols(h) {
		if token, ok := strings.CutPrefix(protocol, wire.TokenProtocol); ok {
			return token
		}
	}

	return ""
}

// protocols returns the subprotocols that a client offers.
func protocols(h http.Header) []string {
	var list []string

	for _, line := range h.Values(subprotocol) {
		for protocol := range strings.SplitSeq(line, ",") {
			list = append(list, strings.TrimSpace(protocol))
		}
	}

	return list
}
