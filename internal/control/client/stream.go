package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"importerd/internal/control/wire"
)

const (
	// aliveEvery is how often it is asked whether the daemon's side of a connection
	// lives, and aliveWithin how long it may take to answer.
	aliveEvery  = 30 * time.Second
	aliveWithin = 30 * time.Second
)

// Monitor yields what the daemon tells of the jobs that w asks for. It outlives
// the daemon: when the connection is lost it yields why, and goes on behind the
// last event when the daemon is back, with nothing missed and no end told twice.
//
// It ends when all ids of w have ended or are unknown; when ctx is done; or when the
// daemon refuses, or what answers is none: then the last that it yields is why.
func (c *Client) Monitor(ctx context.Context, w wire.Watch) iter.Seq2[wire.Event, error] {
	return func(yield func(wire.Event, error) bool) {
		s := watching{client: c, watch: w, yield: yield}

		for {
			err := s.listen(ctx)
			if s.over {
				return
			}

			if !yield(wire.Event{}, err) || !passing(ctx, err) || s.rest(ctx, err) != nil {
				return
			}
		}
	}
}

// watching is one call of Monitor.
type watching struct {
	pauses

	client *Client
	watch  wire.Watch // since is the cursor of the last event
	yield  func(wire.Event, error) bool
	over   bool // there is nothing more to yield, or nobody who wants it
}

// listen yields events until the connection ends. The error says why it has ended.
func (s *watching) listen(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.CloseNow() //nolint:errcheck // all that counts was said

	want, err := json.Marshal(s.watch)
	if err != nil {
		return fmt.Errorf("ask for events: %w", err)
	}

	if err := conn.Write(ctx, websocket.MessageText, want); err != nil {
		return s.ended(ctx, err)
	}

	var asking sync.WaitGroup
	defer asking.Wait()

	living, over := context.WithCancel(ctx)
	defer over()

	asking.Go(func() { alive(living, conn) })

	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return s.ended(ctx, err)
		}

		event, err := eventOf(text)
		if err != nil {
			return err
		}

		if err := s.take(ctx, event); err != nil || s.over {
			return err
		}
	}
}

// take yields one event.
func (s *watching) take(ctx context.Context, e wire.Event) error {
	s.pauses = 0

	if e.Cursor != "" {
		s.watch.Since = e.Cursor
	}

	if e.Kind == wire.KindEnd && e.Reason != wire.ReasonAllTold {
		return s.client.lost(ctx, errors.New(e.Reason))
	}

	s.over = !s.yield(e, nil) || e.Kind == wire.KindEnd

	return nil
}

// dial connects to the daemon.
func (s *watching) dial(ctx context.Context) (*websocket.Conn, error) {
	c := s.client
	header := http.Header{}

	if c.token != "" {
		header.Set("Authorization", "Bearer "+c.token)
	}

	//nolint:bodyclose // the library's business
	conn, answer, err := websocket.Dial(ctx, c.url(request{path: []string{wire.PathMonitor}}).String(),
		&websocket.DialOptions{HTTPClient: c.http, HTTPHeader: header})

	switch {
	case err == nil:
		conn.SetReadLimit(maxEvent)

		return conn, nil
	case answer != nil && answer.StatusCode >= http.StatusBadRequest:
		return nil, errorOf(answer)
	}

	return nil, c.lost(ctx, err)
}

// ended says why a connection has ended. A policy that is violated is a request
// that makes no sense: the daemon says what is wrong with it.
func (s *watching) ended(ctx context.Context, err error) error {
	if e, ok := errors.AsType[websocket.CloseError](err); ok && e.Code == websocket.StatusPolicyViolation {
		return &Error{Code: wire.CodeBadRequest, Status: http.StatusBadRequest, Message: e.Reason}
	}

	for _, plain := range []error{io.EOF, syscall.ECONNRESET, syscall.EPIPE} { // the library says much more
		if errors.Is(err, plain) {
			err = plain
		}
	}

	return s.client.lost(ctx, err)
}

// alive ends a connection whose other side does not answer any more.
func alive(ctx context.Context, conn *websocket.Conn) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}

		answer, cancel := context.WithTimeout(ctx, aliveWithin)
		err := conn.Ping(answer)

		cancel()

		if err != nil {
			_ = conn.CloseNow() // whoever reads hears of it

			return
		}
	}
}
