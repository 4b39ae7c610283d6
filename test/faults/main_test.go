// Package faults_test shows that the promises of a spool hold when the daemon is
// killed at any moment, the power is cut, the disk fills up or refuses, and
// handlers do what they should not. It runs the real binary on real disks.
//
// Nothing runs unless FAULTS is set, as `make test-faults` does: it takes
// minutes, and most of it needs root. FAULTS_SEED repeats the choices of an
// earlier run (the scheduler's are not repeated), FAULTS_KILLS, FAULTS_CUTS and
// FAULTS_POINTS say how many kills, power cuts for each file system, and
// injected faults of each kind.
package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Names of variables by which the test, its daemons and their handlers agree.
const (
	roleVar     = "FAULTS_ROLE"     // what this binary is: empty: the test
	sideVar     = "FAULTS_SIDE"     // directory outside of the spool where handlers leave traces
	lifeVar     = "FAULTS_LIFE"     // which daemon this is, counted from 1
	binariesVar = "FAULTS_BINARIES" // directory of the daemons that TestMain has built
)

// patience is how long a condition may take on a busy machine.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		os.Exit(handle(role))
	}

	if os.Getenv("FAULTS") == "" {
		fmt.Fprintln(os.Stderr, "fault tests do not run: set FAULTS=1 or use `make test-faults`")
		os.Exit(0)
	}

	os.Exit(runTests(m))
}

// runTests builds the daemon, also with faults of its own, and runs the tests.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "importerd-faults-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	for _, tags := range []string{"", "mutate_nofilesync", "mutate_nodirsync"} {
		build := exec.Command("go", "build", "-tags", tags, "-o", binaryPath(dir, tags), "importerd/cmd/importerd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")

		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)

			return 1
		}
	}

	if err := os.Setenv(binariesVar, dir); err != nil {
		panic(err)
	}

	return m.Run()
}

func binaryPath(dir, tags string) string { return filepath.Join(dir, "importerd-"+tags) }

// binary returns the daemon that was built with tags.
func binary(tags string) string { return binaryPath(os.Getenv(binariesVar), tags) }

// setting returns a number from the environment.
func setting(t *testing.T, name string, standard uint64) uint64 {
	t.Helper()

	text := os.Getenv(name)
	if text == "" {
		return standard
	}

	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}

	return n
}

// seed returns the number from which all choices of a test follow.
func seed(t *testing.T) uint64 {
	t.Helper()

	return setting(t, "FAULTS_SEED", uint64(time.Now().UnixNano())%1_000_000)
}

// needRoot skips a test that cannot run without being root, or without a program.
func needRoot(t *testing.T, programs ...string) {
	t.Helper()

	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}

	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("needs %s", name)
		}
	}
}

// poll asks until the answer is yes or patience is over, and returns the answer.
func poll(holds func() bool) bool { return pollFor(patience, holds) }

func pollFor(limit time.Duration, holds func() bool) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()

	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()

	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			return holds()
		}
	}

	return true
}

// wait waits for a time. It is what this package does instead of sleeping: the
// moment of a kill is a choice, not a condition.
func wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()

	<-timer.C
}

// inode returns the inode number of what lies at path; 0: nothing does.
func inode(path string) uint64 {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return 0
	}

	return stat.Ino
}
