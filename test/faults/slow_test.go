package faults_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSlowFlush uploads 50 GB of which the flush takes a long time. Small files
// go on meanwhile, and the watchdog is fed.
func TestSlowFlush(t *testing.T) {
	t.Parallel()
	needRoot(t, "strace")

	const (
		flush    = 20 * time.Second
		watchdog = 5 * time.Second
		huge     = 50 << 30
	)

	p := newProducers(newRig(t, filepath.Join(t.TempDir(), "spool")))
	p.role, p.plans, p.unique = "blind", []string{planDone}, true

	if err := os.WriteFile(p.path("inbox", "huge"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := os.Truncate(p.path("inbox", "huge"), huge); err != nil { // all of it a hole
		t.Skipf("needs a disk that can hold 50 GB: %v", err)
	}

	socket := filepath.Join(p.side, "notify")
	fed := listenForWatchdog(t, socket)

	p.environ = []string{"NOTIFY_SOCKET=" + socket, fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds())}

	p.inject(p.path("inbox", "huge"), "fsync", fmt.Sprintf("delay_enter=%d", flush.Microseconds()))

	begin, rng := time.Now(), rand.New(rand.NewPCG(seed(t), 1<<38))

	p.start()

	for time.Since(begin) < flush-watchdog {
		want := len(p.files("done")) + 3
		p.deliverSome(rng, 3)

		if !pollFor(flush, func() bool { return len(p.files("done")) >= want }) {
			t.Fatalf("small files do not go on\n%s", p.tail())
		}

		wait(500 * time.Millisecond)
	}

	small := len(p.files("done"))

	if !poll(func() bool { return p.dead() || p.left() == 0 && len(p.files("done")) == p.count()+1 }) {
		t.Errorf("it does not come to its end\n%s", p.tail())
	}

	took := time.Since(begin)

	if code := p.endOf(); code != 0 {
		t.Errorf("exit status %d\n%s", code, p.tail())
	}

	times, widest := fed()
	t.Logf("%d small files done during a flush of %v (all took %v); watchdog fed %d times, at most %v apart",
		small, flush, took.Round(time.Second), times, widest.Round(time.Millisecond))

	if took < flush || widest > watchdog || times < int(flush/watchdog) {
		t.Errorf("the watchdog of %v would have killed it, or the flush was not slow", watchdog)
	}
}

// listenForWatchdog counts the signs of life that a daemon sends to a socket.
// The function that it returns says how many there were, and how long the
// widest gap was.
func listenForWatchdog(t *testing.T, path string) func() (int, time.Duration) {
	t.Helper()

	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}

	times, widest := 0, time.Duration(0)
	done := make(chan struct{}) // closed when nothing more is counted

	go func() {
		defer close(done)

		var last time.Time

		for buffer := make([]byte, 4096); ; {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}

			text := string(buffer[:n])
			if !strings.Contains(text, "WATCHDOG=1") && !strings.Contains(text, "READY=1") {
				continue
			}

			if now := time.Now(); last.IsZero() {
				last = now
			} else {
				widest, last = max(widest, now.Sub(last)), now
				times++
			}
		}
	}()

	return func() (int, time.Duration) {
		conn.Close()
		<-done

		return times, widest
	}
}
