// Package systemd_test shows that the daemon, its units and its packages do under
// a real systemd what docs/systemd.md says. It boots one in a box: namespaces over
// a Debian root that is made once and cached. Each case is a script in cases/.
//
// Nothing runs unless SYSTEMD is set, as `make test-systemd` does: it needs root.
// SYSTEMD_ROOTS is the directory of the roots, by default importerd/roots in the
// user's cache. Where there can be no box each test skips and says why.
//
// What is promised, and the case that shows it:
//
//	the units are free of mistakes, exposure at most 1.7          verify
//	ready when recovery is over, however long; SIGTERM meanwhile  recovery
//	the status line is true                                       status
//	one loop that hangs is replaced                               watchdog
//	a drain lasts beyond TimeoutStopSec, answers, takes nothing   drain, drain-unheard
//	a drain has an end of its own                                 drain-limit
//	kill -9, twelve times: nothing lost, nothing twice            kill
//	a reload is over when it says so, and fails with the reason   reload, reload-by-signal
//	restarts refuse nobody, crashes cut off who was let in        restarts
//	a wrong configuration is no loop                              configuration
//	a connection starts the daemon; no socket unit                socket, own-socket
//	commands get and forge nothing of the protocol                environment, credential
//	uploaders share an inbox, also by sftp; mode 0600 is held     inbox, sftp
//	two mounts are found at the start                             mounts
//	the sandbox, and how to relax it                              sandbox, check-sandbox
//	cgroups of jobs                                               cgroup
//	what the journal knows, and that it takes all                 journal, flood
//	installing                                                    by-hand, packages/
package systemd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// shareVar is where the tests find what the boxes see as /share.
const shareVar = "SYSTEMD_SHARE"

func TestMain(m *testing.M) {
	if os.Getenv("SYSTEMD") == "" {
		fmt.Fprintln(os.Stderr, "tests under systemd do not run: set SYSTEMD=1 or use `make test-systemd`")
		os.Exit(0)
	}

	os.Exit(runTests(m))
}

// runTests gathers what the boxes share and runs the tests.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "importerd-systemd-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system clears it too

	if err := share(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}

	if err := os.Setenv(shareVar, dir); err != nil {
		panic(err)
	}

	return m.Run()
}

// share builds the daemon into dir, also with the switch that makes a loop hang, and
// puts beside it what belongs to it.
func share(dir string) error {
	for name, tags := range map[string]string{"importerd": "", "importerd-hang": "hang"} {
		build := exec.Command("go", "build", "-trimpath", "-tags", tags,
			"-o", filepath.Join(dir, name), "importerd/cmd/importerd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")

		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}

	for _, from := range []string{"../../packaging", "../../docs", "cases", "packages"} {
		if err := os.CopyFS(filepath.Join(dir, filepath.Base(from)), os.DirFS(from)); err != nil {
			return fmt.Errorf("share: %w", err)
		}
	}

	for _, name := range []string{"lib.sh", "../../README.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("share: %w", err)
		}

		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o644); err != nil {
			return fmt.Errorf("share: %w", err)
		}
	}

	return os.Chmod(dir, 0o755) // users in the box read it
}
