package faults_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inject makes the daemon run under strace, which meddles with its system
// calls but not with those of its handlers. path: only calls on it; empty: on
// all. strace counts the calls of each thread by themselves.
func (r *rig) inject(path, call, fault string) {
	r.prefix = []string{
		"strace", "-DD", "-f", "-b", "execve", "-qq", "-o", os.DevNull, "-e", "trace=" + call,
		"-e", "inject=" + call + ":" + fault,
	}

	if path != "" {
		r.prefix = append(r.prefix, "-P", path)
	}
}

// dead says whether the daemon has ended. Its status is still to be had.
func (r *rig) dead() bool {
	var info unix.Siginfo

	err := unix.Waitid(unix.P_PID, r.daemon.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)

	return err != nil || info.Signo != 0
}

// TestDeathAtASystemCall kills the daemon as it is about to do its n-th system
// call of one kind, for each kind that changes something.
func TestDeathAtASystemCall(t *testing.T) {
	t.Parallel()
	needRoot(t, "strace")

	for _, kind := range []struct {
		call string
		most int // n at most: more are seldom reached by one thread
	}{
		{"renameat2", 16},
		{"unlinkat", 6},
		{"fsync", 14},
		{"pwrite64", 60},
		{"openat", 40},
		{"mkdirat", 14},
		{"ftruncate", 6},
		{"write", 40},
		{"clone", 8},
		{"flock", 6},
	} {
		t.Run(kind.call, func(t *testing.T) {
			t.Parallel()

			chosen, points := seed(t), setting(t, "FAULTS_POINTS", 8)
			rng := rand.New(rand.NewPCG(chosen, 1<<34))
			p := newProducers(newRig(t, filepath.Join(t.TempDir(), "spool")))
			deaths := 0

			for range points {
				p.deliverSome(rng, 6)
				p.inject("", kind.call, fmt.Sprintf("signal=SIGKILL:when=%d", 1+rng.IntN(kind.most)))
				p.start()

				pollFor(20*time.Second, func() bool { return p.dead() || p.left() == 0 })

				if p.dead() {
					deaths++
				}

				p.kill()
				p.everyFileOnce()
				p.noteRecorded()
			}

			p.prefix = nil
			p.drain()
			p.verify()
			t.Logf("FAULTS_SEED=%d FAULTS_POINTS=%d: %d deaths at %s, %d files", chosen, points, deaths, kind.call, p.count())
		})
	}
}

// deliverSome delivers n files; those of which the name is taken are dropped.
func (p *producers) deliverSome(rng *rand.Rand, n int) {
	p.Helper()

	for range n {
		if err := p.deliver(rng); err != nil {
			p.Fatal(err)
		}
	}
}

// TestErrorsFromSystemCalls has system calls fail for a while. The daemon goes on,
// or stops as the design says; nothing is lost, nothing is told that is not so.
func TestErrorsFromSystemCalls(t *testing.T) {
	t.Parallel()
	needRoot(t, "strace")

	const goesOn, stops = 0, 74

	for _, fault := range []struct {
		path, call, fault string
		want              int // exit status; goesOn: it lives until it is stopped
	}{
		{"", "renameat2", "error=ENOSPC:when=14..16", goesOn},
		{"", "renameat2", "error=EIO:when=14..16", goesOn},
		{"", "renameat2", "error=EPERM:when=14..16", goesOn},
		{"", "renameat2", "error=EXDEV:when=14..16", goesOn},
		{"", "unlinkat", "error=EIO:when=3..5", goesOn},
		{"", "mkdirat", "error=ENOSPC:when=12..14", goesOn},
		{".importerd/journal.db-wal", "pwrite64", "error=ENOSPC:when=9", goesOn},
		{".importerd/journal.db-wal", "pwrite64", "error=EIO:when=9", goesOn},
		{".importerd/journal.db-wal", "pwrite64", "retval=0:when=9", goesOn},
		{".importerd/journal.db-wal", "fdatasync", "error=EIO:when=1", stops},
		{".importerd/journal.db-wal", "fsync,fdatasync", "error=EIO:when=2+", stops}, // of any thread, for strace counts so
		{"processing", "fsync", "error=EIO:when=1", stops},
		{"done", "fsync", "error=EIO:when=1+", stops},
		{"deferred", "fsync", "error=ENOSPC:when=1", stops},
		{".importerd", "fsync", "error=EIO:when=1", stops},
	} {
		t.Run(strings.ReplaceAll(fault.call+" "+fault.fault+" "+fault.path, "/", "|"), func(t *testing.T) {
			t.Parallel()

			rng := rand.New(rand.NewPCG(seed(t), 1<<35))
			p := newProducers(newRig(t, filepath.Join(t.TempDir(), "spool")))
			p.plans = []string{planDone, planDone, planRefuse, planLater, planBad, planChange, planResults}

			files := 12
			if fault.want == stops { // so many that one thread flushes the journal twice
				files = 40
			}

			p.deliverSome(rng, files)

			path := fault.path
			if path != "" {
				path = p.path(path)
			}

			p.inject(path, fault.call, fault.fault)
			p.start()

			pollFor(20*time.Second, func() bool { return p.dead() || p.left() == 0 })

			if got := p.endOf(); got != fault.want {
				t.Errorf("exit status %d, want %d\n%s", got, fault.want, p.tail())
			}

			p.everyFileOnce()
			p.silentAfterLoss()
			p.noteRecorded()

			p.prefix = nil

			p.deliverSome(rng, 3)
			p.drain()
			p.verify()
		})
	}
}

// endOf stops the daemon if it lives, and returns its exit status.
func (r *rig) endOf() int {
	r.Helper()

	if r.dead() {
		return r.ended()
	}

	return r.stop()
}

// silentAfterLoss wants nothing to be told once the disk cannot be trusted.
func (r *rig) silentAfterLoss() {
	r.Helper()

	events := readHistory(r.TB, r.history())
	loss := slices.IndexFunc(events, func(e event) bool { return strings.Contains(e.Message, "cannot be trusted") })

	if loss < 0 {
		return
	}

	for i, e := range events[loss+1:] {
		if strings.HasPrefix(e.Message, "job ") && e.Message != "job claimed" && e.Message != "job started" {
			r.Errorf("told although the disk cannot be trusted: %s", at(loss+1+i, e))
		}
	}
}

// TestFileThatCannotBeFlushed holds a file whose own flush fails, and goes on
// with the others.
func TestFileThatCannotBeFlushed(t *testing.T) {
	t.Parallel()
	needRoot(t, "strace")

	rng := rand.New(rand.NewPCG(seed(t), 1<<36))
	p := newProducers(newRig(t, filepath.Join(t.TempDir(), "spool")))
	p.plans, p.unique = []string{planDone}, true

	p.deliverSome(rng, 6)
	p.inject(p.path("inbox", "c000003.dat"), "fsync", "error=EIO")
	p.start()

	if !poll(func() bool { return p.dead() || len(p.files("done")) == 5 }) {
		t.Errorf("the others do not go on\n%s", p.tail())
	}

	wait(time.Second) // in which it must not be taken

	if code := p.endOf(); code != 0 || !slices.Equal(p.files("inbox"), []string{"c000003.dat"}) {
		t.Errorf("exit status %d, inbox %q\n%s", code, p.files("inbox"), p.tail())
	}

	p.prefix = nil

	p.drain()
	p.verify()
}
