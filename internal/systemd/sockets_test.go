package systemd

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestSocketsAreTaken starts this test binary anew as a service manager starts a
// daemon, with a listening socket as descriptor 3, and talks to it.
func TestSocketsAreTaken(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "s")

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()

	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	// The shell knows its own pid, which the program keeps.
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c",
		`LISTEN_PID=$$ LISTEN_FDS=1 SERVE=1 exec "$0" -test.run=^TestServeTaken$`,
		os.Args[0])
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr = os.Stderr

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}

	answer, err := io.ReadAll(conn)
	if string(answer) != "1 socket, no LISTEN_FDS" || err != nil {
		t.Errorf("answer %q, %v", answer, err)
	}

	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}

	if _, err := os.Stat(path); err != nil {
		t.Error("the socket was removed:", err)
	}
}

// TestServeTaken is the child of TestSocketsAreTaken.
func TestServeTaken(t *testing.T) {
	if os.Getenv("SERVE") == "" {
		return // it is the child that matters
	}

	listeners, err := TakeSockets()
	if err != nil || len(listeners) != 1 {
		t.Fatal(listeners, err)
	}

	conn, err := listeners[0].Accept()
	if err != nil {
		t.Fatal(err)
	}

	text := "1 socket"
	if _, left := os.LookupEnv("LISTEN_FDS"); !left {
		text += ", no LISTEN_FDS"
	}

	if _, err := io.WriteString(conn, text); err != nil {
		t.Error(err)
	}

	if err := errors.Join(conn.Close(), listeners[0].Close()); err != nil {
		t.Error(err)
	}
}
