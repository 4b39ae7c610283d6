package e2e_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// hangLimit is the watchdog's. It is fed each third of it.
	hangLimit = 1500 * time.Millisecond
	// silence is how long nothing may come until a supervisor takes the daemon for dead.
	silence = 2 * time.Second
)

// TestWatchdogSeesEachLoop makes one loop of the daemon after the other hang: the
// watchdog is not fed any more, and the log says which one it is.
func TestWatchdogSeesEachLoop(t *testing.T) {
	t.Parallel()

	binary := buildHung(t)
	loops := []string{
		"monitor", "orders finisher", "orders keeper", "orders on_failed", "orders pool", "orders watch",
		"signals", "status", "supervisor",
	}

	for _, loop := range loops {
		t.Run(loop, func(t *testing.T) {
			t.Parallel()

			s := startHung(t, binary, "")
			s.fed()
			s.await("all loops have come round", func() bool { return len(s.loops()) >= len(loops) })

			if got := s.loops(); !slices.Equal(got, loops) {
				t.Errorf("the loops are %q, want %q: this test has to hang each", got, loops)
			}

			if err := os.WriteFile(filepath.Join(s.switches, loop), []byte("hang"), 0o600); err != nil {
				t.Fatal(err)
			}

			s.starved(loop)
		})
	}
}

// TestWatchdogOfALeavingSpool takes a spool out of the configuration while a job of it
// runs: what has ended of it does not count as hanging.
func TestWatchdogOfALeavingSpool(t *testing.T) {
	t.Parallel()

	s := startHung(t, buildHung(t), "[spool.other]\ndir = %q\ncommand = [\"true\"]\n")
	s.fed()

	if err := os.WriteFile(filepath.Join(s.dir, "orders", "inbox", "a"), []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}

	s.await("it runs", func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "runs"))

		return err == nil
	})
	s.configure(s.more)

	if err := s.process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}

	s.await("the spool leaves", func() bool { return strings.Contains(s.log.String(), "spool removed, it drains") })

	for range 6 { // two limits
		s.fed()
	}

	if strings.Contains(s.log.String(), "spool gone") {
		t.Error("the job did not run long enough")
	}
}

// buildHung builds a daemon whose loops can be made to hang.
func buildHung(t *testing.T) string {
	t.Helper()

	binary := filepath.Join(t.TempDir(), "importerd")

	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "hang", "-o", binary, "importerd/cmd/importerd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}

	return binary
}

// hungDaemon is a daemon whose loops a test can make hang, under a supervisor that is
// the test.
type hungDaemon struct {
	*testing.T
	dir      string
	more     string // of the configuration
	switches string // directory with a file for each loop
	conn     *net.UnixConn
	log      *lockedBuffer
	process  *os.Process
}

// startHung starts the daemon with the spool orders, whose jobs run until the test
// ends, and with another one if other is not empty.
func startHung(t *testing.T, binary, other string) *hungDaemon {
	t.Helper()

	dir := t.TempDir()
	s := &hungDaemon{T: t, dir: dir, switches: filepath.Join(dir, "loops"), log: &lockedBuffer{}}
	socket := filepath.Join(dir, "notify")

	for _, path := range []string{s.switches, filepath.Join(dir, "orders"), filepath.Join(dir, "other")} {
		if err := os.Mkdir(path, 0o750); err != nil {
			t.Fatal(err)
		}
	}

	if other != "" {
		s.more = fmt.Sprintf(other, filepath.Join(dir, "other"))
	}

	s.configure(fmt.Sprintf("[spool.orders]\ndir = %q\ncommand = [\"sh\", \"-c\", %q]\ndrain = \"1h\"\n",
		filepath.Join(dir, "orders"), "echo >'"+dir+"/runs'; while [ -e '"+dir+"/config' ]; do sleep 0.1; done") + s.more)

	var err error
	if s.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(binary, "run", "--config", filepath.Join(dir, "config"))
	cmd.Stderr = s.log
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "IMPORTERD_HANG="+s.switches,
		fmt.Sprintf("WATCHDOG_USEC=%d", hangLimit.Microseconds()))

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	s.process = cmd.Process

	t.Cleanup(func() {
		_ = cmd.Process.Kill() // one that hangs does not end otherwise
		_ = cmd.Wait()         // by that signal
		_ = s.conn.Close()

		if t.Failed() {
			t.Logf("the daemon said:\n%s", s.log)
		}
	})

	return s
}

// configure writes the configuration.
func (s *hungDaemon) configure(spools string) {
	text := "listen = \"none\"\n" + spools
	if err := os.WriteFile(filepath.Join(s.dir, "config"), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// loops returns the names of the loops that have come round.
func (s *hungDaemon) loops() []string {
	entries, err := os.ReadDir(s.switches)
	if err != nil {
		s.Fatal(err)
	}

	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}

	return names
}

// beat says whether a sign of life comes within the given time.
func (s *hungDaemon) beat(within time.Duration) bool {
	if err := s.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		s.Fatal(err)
	}

	for buffer := make([]byte, 4096); ; {
		n, err := s.conn.Read(buffer)
		if err != nil {
			return false
		}

		if strings.Contains(string(buffer[:n]), "WATCHDOG=1") {
			return true
		}
	}
}

// await reads what comes until something holds.
func (s *hungDaemon) await(what string, holds func() bool) {
	s.Helper()

	for deadline := time.Now().Add(patience); !holds(); s.beat(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("still not: %s", what)
		}
	}
}

// fed waits until the daemon gives signs of life.
func (s *hungDaemon) fed() {
	s.Helper()
	s.await("the watchdog is fed", func() bool { return s.beat(silence) })
}

// starved waits until the daemon gives none any more because of a loop.
func (s *hungDaemon) starved(loop string) {
	s.Helper()

	if loop != "supervisor" { // the one that would say so
		s.await("the log names the loop", func() bool {
			return strings.Contains(s.log.String(), `"loop":"`+loop+`"`)
		})
	}

	s.await("the watchdog is not fed", func() bool { return !s.beat(silence) })
}
