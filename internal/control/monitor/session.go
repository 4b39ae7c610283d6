package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"importerd/internal/control/wire"

	"github.com/rs/zerolog"
)

// changeEvery is how often a client is told of changes at most: a handler may
// report its progress more often than anybody can read it.
const changeEvery = 100 * time.Millisecond

// transport is a connection to one client.
type transport interface {
	// send sends messages; they must be accepted in a bounded time. An error is the
	// end of the connection.
	send(messages ...message) error
	// beat finds out whether the other side lives. It does not wait for an answer.
	beat() error
	// cut makes a send under way, and all that follow, end with an error.
	cut()
}

// session tells one client what it wants to know, over one connection.
type session struct {
	hub *Hub
	sub subscription
	out transport

	again     bool      // the client was there before
	ready     bool      // it was told all that had ended before
	cursor    string    // where the client stands
	caughtUp  time.Time // when it had been told all that there was, last
	changesAt time.Time // when it was last told of changes
	lastUntil time.Time // how long it may still be told things after the hub was shut; zero: it was not
}

// ending is the reason for which a session ends; *ending as an error.
type ending struct {
	reason string
	normal bool // there is nothing to come back for
	err    error
}

// Error says it for people.
func (e *ending) Error() string { return e.reason }

// Unwrap returns what is behind it.
func (e *ending) Unwrap() error { return e.err }

var (
	errAllTold = &ending{reason: wire.ReasonAllTold, normal: true}
	errSlow    = &ending{reason: "too slow: what is told is not read in time"}
	errNothing = errors.New("the client has been told all before")
)

// newSession returns a session that has told nothing.
func newSession(h *Hub, sub subscription, out transport) *session {
	return &session{hub: h, sub: sub, out: out, caughtUp: time.Now()}
}

// run tells the client what is to be told until that is all, ctx is done, the hub
// is shut or the client does not keep up. The error says why; *ending: the client
// is to be told.
func (s *session) run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()

	over := make(chan struct{}) // closed at the end, cutLast receives
	defer close(over)

	wg.Go(func() { s.cutLast(over) })

	return s.live(ctx)
}

// cutLast cuts off a client that does not hear the end in time.
func (s *session) cutLast(over <-chan struct{}) {
	select {
	case <-over:
		return
	case <-s.hub.down:
	}

	timer := time.NewTimer(lastGrace)
	defer timer.Stop()

	select {
	case <-over:
	case <-timer.C:
		s.out.cut()
	}
}

func (s *session) live(ctx context.Context) error {
	beat := time.NewTicker(s.hub.opts.Heartbeat)
	defer beat.Stop()

	for {
		held, more, err := s.round()
		if err != nil {
			return err
		}

		if err := s.isOver(ctx, more); err != nil {
			return err
		}

		if more {
			continue
		}

		if err := s.wait(ctx, held, beat.C); err != nil {
			return err
		}
	}
}

// round tells what there is to tell. It says whether changes are held back, and
// whether there is more to tell at once.
func (s *session) round() (held, more bool, err error) {
	now := time.Now()

	b, err := s.sub.fetch(now.Sub(s.changesAt) >= changeEvery)
	if err != nil {
		s.hub.opts.Log.Error().Err(err).Msg("monitor cannot read a journal")

		return false, false, &ending{reason: "the journal cannot be read at the moment", err: err}
	}

	return b.held, b.more, s.tell(b, now)
}

// tell sends a batch that was fetched at a time.
func (s *session) tell(b batch, fetched time.Time) error {
	messages := b.messages

	if s.again && b.over && !slices.ContainsFunc(messages, message.isEnd) {
		return errNothing
	}

	s.again = false
	s.cursor = b.cursor
	s.ready = s.ready && !b.reset

	for _, m := range messages {
		if m.kind == wire.KindChanged {
			s.changesAt = fetched
		}
	}

	if !b.more {
		s.caughtUp = fetched

		if !s.ready {
			s.ready = true
			messages = append(messages, plainMessage(wire.Event{Kind: wire.KindReady, Cursor: b.cursor}))
		}
	}

	if len(messages) > 0 {
		if err := s.out.send(messages...); err != nil {
			return err
		}
	}

	if b.over {
		return errAllTold
	}

	return nil
}

// isOver says why the session ends now although there may be more to tell.
func (s *session) isOver(ctx context.Context, more bool) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}

	now := time.Now()

	if s.hub.isShut() {
		if s.lastUntil.IsZero() {
			s.lastUntil = now.Add(lastGrace)

			return nil // once more: all that was told before Shut
		}

		if !more || now.After(s.lastUntil) {
			return s.hub.shutEnding()
		}
	}

	if s.ready && more && now.Sub(s.caughtUp) > s.hub.opts.Lag {
		return errSlow
	}

	return nil
}

// wait waits until there may be something to tell.
func (s *session) wait(ctx context.Context, held bool, beat <-chan time.Time) error {
	var changes <-chan time.Time

	if held {
		timer := time.NewTimer(time.Until(s.changesAt.Add(changeEvery)))
		defer timer.Stop()

		changes = timer.C
	}

	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.hub.down:
			return nil
		case <-s.sub.news():
			return nil
		case <-changes:
			return nil
		case <-beat:
			if err := s.out.beat(); err != nil {
				return err
			}
		}
	}
}

// last returns the last event for a client whose session has ended with err;
// false: it cannot be told any more.
func (s *session) last(err error) (message, bool) {
	e, ok := errors.AsType[*ending](err)
	if !ok {
		return message{}, false
	}

	return plainMessage(wire.Event{Kind: wire.KindEnd, Reason: e.reason, Cursor: s.cursor}), true
}

// over notes why a session has ended, where that is worth it.
func (h *Hub) over(err error) {
	level := zerolog.DebugLevel
	if errors.Is(err, errSlow) || errors.Is(err, errStuck) {
		level = zerolog.InfoLevel
	}

	h.opts.Log.WithLevel(level).Err(err).Msg("a client of the monitor has gone")
}

// shutEnding returns the reason of Shut.
func (h *Hub) shutEnding() error {
	h.mu.Lock()
	defer h.mu.Unlock()

	return &ending{reason: h.reason, err: errShut}
}

// errStuck says that a client did not accept what was sent in time.
var errStuck = errors.New("what is sent is not read")

// lost says why a message could not be sent with ctx.
func lost(ctx context.Context, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errStuck, err)
	}

	return fmt.Errorf("%w: %w", errGone, err)
}
