package systemd

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// listen opens a socket as a supervisor does.
func listen(t *testing.T, name string) *net.UnixConn {
	t.Helper()

	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})

	return conn
}

// read returns the next datagram.
func read(t *testing.T, conn *net.UnixConn) string {
	t.Helper()

	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}

	buf := make([]byte, 4096)

	n, err := conn.Read(buf)
	if err != nil {
		t.Fatalf("read a datagram: %v", err)
	}

	return string(buf[:n])
}

func TestRealSocket(t *testing.T) {
	t.Parallel()

	names := map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": "@importerd-test-" + strconv.Itoa(os.Getpid()),
	}
	for kind, name := range names {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()

			conn := listen(t, name)
			n := New(zerolog.Nop(), Env{NotifySocket: name, Watchdog: 3 * time.Millisecond})
			stop := run(t, n)

			n.Ready()

			if got := read(t, conn); got != "READY=1" {
				t.Errorf("the first datagram is %q", got)
			}

			n.Status("3\nrunning")

			if got := read(t, conn); got != "STATUS=3 running" {
				t.Errorf("the second datagram is %q", got)
			}

			p := n.Watchdog().Pulse("loop")
			p.Waiting()

			if got := read(t, conn); got != "WATCHDOG=1" {
				t.Errorf("the third datagram is %q", got)
			}

			stop()
		})
	}
}

// fill sends to the socket until no more goes in, and returns how many did. It
// asks the kernel itself: a deadline may pass on a slow machine with room left.
func fill(t *testing.T, name string) int {
	t.Helper()

	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}

	defer func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	}()

	for n := range 10_000 {
		err := unix.Sendto(fd, []byte("X=1"), 0, &unix.SockaddrUnix{Name: name})
		if errors.Is(err, unix.EAGAIN) {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
	}

	t.Fatal("the socket is never full")

	return 0
}

func TestFullSocketBlocksNobodyAndLosesNothing(t *testing.T) {
	t.Parallel()

	name := filepath.Join(t.TempDir(), "notify")
	conn := listen(t, name)
	filled := fill(t, name)

	log := &logbook{}
	n := New(zerolog.New(log), Env{NotifySocket: name})
	stop := run(t, n)

	began := time.Now()

	n.Ready()

	for range 1000 {
		n.Status(time.Since(began).String())
		n.Busy(t.Context())
	}

	n.Status("up")
	n.Reloading()

	// Wait until Run has found the socket full.
	for deadline := time.After(time.Minute); log.count("supervisor cannot be told") == 0; {
		select {
		case <-deadline:
			t.Fatal("the log does not say that the socket is full")
		case <-time.After(10 * time.Millisecond):
		}
	}

	for range filled {
		if got := read(t, conn); got != "X=1" {
			t.Fatalf("got %q before its time", got)
		}
	}

	if got := read(t, conn); got != "READY=1" {
		t.Errorf("first came %q", got)
	}

	if got := read(t, conn); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("then came %q", got)
	}

	if got := read(t, conn); got != "STATUS=up\nEXTEND_TIMEOUT_USEC=5000000" {
		t.Errorf("last came %q", got)
	}

	stop()
}

func TestFullSocketDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()

	name := filepath.Join(t.TempDir(), "notify")
	listen(t, name)
	fill(t, name)

	n := New(zerolog.Nop(), Env{NotifySocket: name})
	n.Ready()
	n.Stopping()
	n.Status("text")

	stop := run(t, n)
	began := time.Now()
	stop()

	// Two rounds of sending at most, and much time for a slow machine.
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the end took %s", took)
	}
}

func TestSocketThatComesLaterIsTold(t *testing.T) {
	t.Parallel()

	name := filepath.Join(t.TempDir(), "notify")
	log := &logbook{}
	n := New(zerolog.New(log), Env{NotifySocket: name})
	stop := run(t, n)
	n.Ready()

	for deadline := time.After(time.Minute); log.count("supervisor cannot be told") == 0; {
		select {
		case <-deadline:
			t.Fatal("the log does not say that there is no socket")
		case <-time.After(10 * time.Millisecond):
		}
	}

	if got := read(t, listen(t, name)); got != "READY=1" {
		t.Errorf("it was told %q", got)
	}

	stop()
}
