package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"

	"importerd/internal/control/guard"
)

// maxHeader is how long the header of a request may be, in bytes; the server adds
// 4 KiB of its own.
const maxHeader = 16 << 10

// Server answers the API's requests.
type Server struct {
	o       Options
	handler http.Handler
	streams tally

	uploads, waits, followers slots
}

// New returns a server. It listens nowhere yet.
func New(o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}

	s := &Server{
		o:       o,
		uploads: make(slots, maxUploads), waits: make(slots, maxWaits), followers: make(slots, maxFollowers),
	}
	s.handler = guard.New(guard.Options{
		Hosts: o.Hosts, Token: o.Token, Rate: o.Rate, Stall: o.Stall, Log: o.Log,
	}).Protect(s.recovered(s.routes()))

	return s, nil
}

// Handler returns what answers, behind its guard but without what Serve adds: the
// limits on headers and connections, and the end.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers what comes in at l until ctx is done. Then it accepts nothing more,
// tells answers that last to end, and lets the others finish, in bounded time. It may
// run for several listeners at once. l is closed when it returns.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if err := guard.CheckListener(l, s.o.Token, s.o.TLS != nil); err != nil {
		_ = l.Close() // nothing came in

		return fmt.Errorf("refuse to serve: %w", err)
	}

	var fresh newcomers

	srv := &http.Server{
		Handler:           fresh.greet(s.Handler()),
		ConnContext:       fresh.enter,
		ConnState:         fresh.changed,
		ReadHeaderTimeout: s.o.Stall / 3,
		IdleTimeout:       4 * s.o.Stall,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(mishaps{s.o.Log}, "", 0),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), endKey{}, ctx)
		},
	}

	failed := make(chan error, 1) // Serve's goroutine sends once

	limited := guard.Limit(l, s.o.MaxConns)

	in := net.Listener(limited)
	if s.o.TLS != nil && l.Addr().Network() != "unix" {
		in = tls.NewListener(limited, s.o.TLS)
	}

	go func() { failed <- srv.Serve(in) }()

	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}

	_ = limited.Close() // nobody else comes in, and srv.Serve ends
	err := <-failed

	fresh.wait(context.WithoutCancel(ctx))
	s.stop(context.WithoutCancel(ctx), srv)

	if !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}

	return nil
}

// stop lets running answers finish and cuts off those that do not.
func (s *Server) stop(ctx context.Context, srv *http.Server) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Stop)
	defer cancel()

	if err := srv.Shutdown(ctx); err != nil {
		s.o.Log.Warn().Err(err).Msg("answers cut off")

		_ = srv.Close() // what is wrong was told
	}

	s.streams.wait(ctx)
}

// endKey is the key of the context whose end tells answers that last to end.
type endKey struct{}

// lasting returns a context for an answer that lasts: it ends with ctx, the request's,
// and when the server does. The function must be called when the answer is over.
func (s *Server) lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	s.streams.enter()

	end, ok := ctx.Value(endKey{}).(context.Context)
	if !ok {
		end = ctx
	}

	unhook := context.AfterFunc(end, cancel)

	return ctx, func() {
		unhook()
		cancel()
		s.streams.leave()
	}
}

// stream makes an answer that lasts of h.
func (s *Server) stream(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, over := s.lasting(r.Context())
		defer over()

		h.ServeHTTP(w, r.WithContext(ctx))
	})
}
