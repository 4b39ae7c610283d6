package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHandlersGetNoCapability starts the daemon with CAP_LEASE in its ambient
// set, as the unit file does, and looks at what a handler has.
func TestHandlersGetNoCapability(t *testing.T) {
	t.Parallel()

	if os.Getuid() != 0 {
		t.Skip("needs root, to give a capability away")
	}

	dir := t.TempDir()
	binary, spool := filepath.Join(dir, "importerd"), filepath.Join(dir, "spool")

	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // with cgo the threads cannot be reached

	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}

	for _, path := range []string{spool, filepath.Join(spool, "inbox")} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.WriteFile(filepath.Join(spool, "inbox", "a.csv"), []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}

	const nobody = 65534

	for _, path := range []string{spool, filepath.Join(spool, "inbox"), filepath.Join(spool, "inbox", "a.csv")} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}

	for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
			t.Fatal(err)
		}
	}

	daemon := exec.CommandContext(t.Context(), binary, "run", "--spool", spool, "--once", "--results", "--",
		"sh", "-c", `grep CapAmb /proc/self/status >"$IMPORTERD_JOB_RESULTS/caps"`)
	daemon.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
		AmbientCaps: []uintptr{unix.CAP_LEASE},
	}

	if out, err := daemon.CombinedOutput(); err != nil {
		t.Fatalf("daemon: %v\n%s", err, out)
	}

	got, err := os.ReadFile(filepath.Join(spool, "results", "a.csv", "caps"))
	if err != nil || strings.TrimRight(strings.TrimSpace(string(got)), "0") != "CapAmb:\t" {
		t.Errorf("the handler has %q, %v; want no ambient capability", got, err)
	}
}
