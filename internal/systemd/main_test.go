package systemd

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errFull = errors.New("full")

// supervisor stands for the socket where only the clock matters. What the real
// one does is tried in socket_test.go.
type supervisor struct {
	mu    sync.Mutex
	deaf  bool // every sending fails
	tries int
	got   []string
}

func (s *supervisor) send(message string, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.tries++

	if s.deaf {
		return errFull
	}

	s.got = append(s.got, message)

	return nil
}

func (s *supervisor) setDeaf(deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = deaf
}

// take returns what came since the last call.
func (s *supervisor) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()

	got := s.got
	s.got = nil

	return got
}

// want checks what came since the last call.
func (s *supervisor) want(t *testing.T, want ...string) {
	t.Helper()

	if got := strings.Join(s.take(), " | "); got != strings.Join(want, " | ") {
		t.Errorf("the supervisor was told %q, want %q", got, strings.Join(want, " | "))
	}
}

// count counts the messages since the last call that contain field.
func (s *supervisor) count(field string) int {
	return strings.Count(strings.Join(s.take(), "\n")+"\n", field+"\n")
}

// logbook is a log that can be read while it is written.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.buf.Write(p)
}

// count says how many lines contain text.
func (l *logbook) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()

	return strings.Count(l.buf.String(), text)
}

// newNotifier returns a notifier that tells sv, and its log.
func newNotifier(sv *supervisor, watchdog time.Duration) (*Notifier, *logbook) {
	log := &logbook{}
	n := New(zerolog.New(log), Env{NotifySocket: "@nobody", Watchdog: watchdog})
	n.send = sv.send

	return n, log
}

// run runs n beside the test. The function it returns stops it, waits for it and
// checks that it ended well.
func run(t *testing.T, n *Notifier) func() {
	t.Helper()

	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)

	go func() { answer <- n.Run(ctx) }()

	return func() {
		t.Helper()
		cancel()

		if err := <-answer; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}
