// Package guard lets through to the API only what may come in, and lets nobody
// hold a connection for nothing: it judges host, origin, token and rate of a
// request before anything else looks at it, and gives each read of a body and
// each write of an answer a time of its own.
package guard

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"importerd/internal/control/wire"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// Options say who may come in.
type Options struct {
	// Hosts are names, without ports, by which clients may call us besides localhost,
	// the address that they connected to and, over a unix socket, importerd.
	Hosts []string
	// Token returns the bearer token that is needed, but over unix sockets, where the
	// socket's mode decides. Nil: none is needed. One shorter than MinToken lets nobody in.
	Token func() string
	Rate  int           // requests a second in the long run
	Stall time.Duration // within which a body and an answer must make progress
	Log   zerolog.Logger
}

const (
	// MinToken is how many bytes a token has at least: it must not be guessed.
	MinToken = 16

	// strangersRate is how many requests a second with a wrong token are answered
	// with more than a request to slow down.
	strangersRate = 10

	// retryAfter is how many seconds one who asked too often is told to wait.
	retryAfter = 1
)

// Guard is what stands before the API. Its methods may be called from several
// goroutines.
type Guard struct {
	hosts     map[string]bool
	token     func() string
	cross     *http.CrossOriginProtection
	all       *rate.Limiter // of those that may come in
	strangers *rate.Limiter // of those that may not
	stall     time.Duration
	log       zerolog.Logger
}

// New returns a guard.
func New(o Options) *Guard {
	g := &Guard{
		hosts: map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true},
		token: o.Token, cross: http.NewCrossOriginProtection(),
		all:       rate.NewLimiter(rate.Limit(o.Rate), 2*o.Rate),
		strangers: rate.NewLimiter(strangersRate, 2*strangersRate),
		stall:     o.Stall, log: o.Log,
	}

	for _, host := range o.Hosts {
		g.hosts[hostOf(host)] = true
	}

	delete(g.hosts, "") // a request without a host is for nobody

	return g
}

// Protect returns next behind the guard.
func (g *Guard) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		a, r := g.pace(w, r)

		setHeaders(a.Header())

		if no := g.judge(r); no != nil {
			no.tell(a)
		} else {
			// Nothing behind can log it. A subprotocol stays: a browser wants it chosen.
			r.Header.Del(authorization)
			next.ServeHTTP(a, r)
		}

		if a.to != nil {
			a.to.answered()
		}

		// Without the query: in it may be what somebody took for the place of a token.
		g.log.Debug().Str("method", r.Method).Str("path", r.URL.EscapedPath()).Int("status", a.status).
			Int64("bytes", a.bytes).Dur("took", time.Since(began)).Msg("request")
	})
}

// setHeaders tells browsers to make as little of an answer as possible. None of
// them allows other origins anything.
func setHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
}

// refusal is why a request does not come in.
type refusal struct {
	status  int
	code    wire.Code
	message string
}

// judge returns why r may not come in; nil: it may. The host is first: what a
// foreign page makes a browser send under its own name must learn nothing, not
// even whether its token is right.
func (g *Guard) judge(r *http.Request) *refusal {
	switch {
	case !g.knowsHost(r):
		return &refusal{http.StatusForbidden, wire.CodeForbidden, "this host name is not ours: " +
			"use localhost or the address, or have the operator allow it"}
	case g.foreign(r):
		return &refusal{http.StatusForbidden, wire.CodeForbidden, "requests from pages of other origins are refused"}
	case healthCheck(r):
		// Not counted either: a flood of others must not make us look dead, and an
		// answer costs no more than a refusal.
		return nil
	case !g.authorized(r):
		return g.judgeStranger()
	case !g.all.Allow():
		return &refusal{http.StatusTooManyRequests, wire.CodeTooMany, "too many requests: slow down"}
	}

	return nil
}

// judgeStranger returns why one without a right token may not come in. Strangers
// use up a rate of their own: they must not shut out others.
func (g *Guard) judgeStranger() *refusal {
	if !g.strangers.Allow() {
		return &refusal{http.StatusTooManyRequests, wire.CodeTooMany, "too many requests without a right token"}
	}

	return &refusal{http.StatusUnauthorized, wire.CodeUnauthorized, "the right bearer token is needed: " +
		"send it as the header Authorization: Bearer TOKEN"}
}

// tell answers with the refusal, and ends the connection: one that is refused shall
// not hold it.
func (no *refusal) tell(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Connection", "close")

	switch no.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="importerd"`)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}

	text, err := json.Marshal(wire.Error{Error: wire.Fault{Code: no.code, Message: no.message}})
	if err != nil {
		panic("bug: an error has no JSON: " + err.Error())
	}

	h.Set("Content-Type", "application/json")
	w.WriteHeader(no.status)
	_, _ = w.Write(append(text, '\n')) // who went away hears nothing
}

// healthCheck says whether r asks no more than whether we live.
func healthCheck(r *http.Request) bool {
	return r.URL.Path == wire.PathHealth && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}
