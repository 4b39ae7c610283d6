package command

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// What the daemon was started with by a careless parent, or opened carelessly,
// stays with the daemon.
func TestDescriptors(t *testing.T) {
	t.Parallel()

	lock, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()

	careless, err := unix.Dup(int(lock.Fd())) // not closed by exec
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(careless) }()

	link := regexp.MustCompile(`\d+ -> .*`)

	for _, lock := range []*os.File{lock, nil} {
		task := newTask(t, "a.csv")
		task.Lock = lock

		exit := newHandler(t, shell(t, "exec ls -l /proc/self/fd")).Run(t.Context(), task)
		if exit.Code != 0 {
			t.Fatalf("exit %+v", exit)
		}

		var got []string

		for line := range strings.Lines(readLog(t, task)) {
			if link := link.FindString(line); link != "" && !strings.Contains(link, "/proc/") {
				got = append(got, link)
			}
		}

		if lock != nil && (len(got) != 5 || got[4] != "4 -> "+lock.Name()) || lock == nil && len(got) != 4 {
			t.Fatalf("descriptors %q", got)
		}

		if got[0] != "0 -> /dev/null" || !strings.HasPrefix(got[1], "1 -> pipe:") ||
			got[1][1:] != got[2][1:] || !strings.HasPrefix(got[3], "3 -> pipe:") || got[3][1:] == got[1][1:] {
			t.Errorf("descriptors %q", got)
		}
	}
}

// The lock is held by whoever has inherited it, also when the daemon is gone.
func TestLockIsInherited(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "lock")

	lock, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}

	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}

	task := newTask(t, "a.csv")
	task.Lock = lock
	kill := make(chan struct{})
	task.Kill = kill

	started := make(chan struct{})
	task.Started = func(int) { close(started) }
	ended := make(chan job.Exit, 1)
	h := newHandler(t, shell(t, patient))

	go func() { ended <- h.Run(t.Context(), task) }()

	<-started

	if err := lock.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("close of the lock that the command has: %v, want that it is closed", err)
	}

	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()

	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("lock while the command runs: %v, want held", err)
	}

	close(kill)
	<-ended

	// A fork of another test may hold a copy until its exec.
	eventually(t, "lock is free", func() bool {
		return unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
	})
}

func TestSignalsAreDefault(t *testing.T) {
	t.Parallel()

	_, log := runShell(t, "exec grep -E '^Sig(Blk|Ign)' /proc/self/status")
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}

	for line := range strings.Lines(log) {
		// What this test was started with ignored or blocked, as by nohup, is passed on.
		if !strings.HasSuffix(line, "\t0000000000000000\n") && !strings.Contains(string(own), line) {
			t.Errorf("a command starts with %s", line)
		}
	}

	if strings.Count(log, "\n") != 2 {
		t.Errorf("log %q", log)
	}
}

func TestMemoryScore(t *testing.T) {
	t.Parallel()

	if !wantsOOMScore() {
		t.Skip("our own score is as high")
	}

	task := newTask(t, "a.csv")
	task.Path = "now"
	// Marked a while after the start, with those that it has started by then, here a shell
	// in a shell that waits to be marked. What it starts afterwards is marked too.
	const wait = `while [ "$(cat /proc/$$/oom_score_adj)" != 300 ]; do sleep 0.01; done; `

	c := shell(t, `(sh -c '`+wait+`cat /proc/self/oom_score_adj'; :); `+wait+`cat /proc/self/oom_score_adj`)

	ctx, cancel := context.WithTimeout(t.Context(), longWait)
	defer cancel()

	newHandler(t, c).Run(ctx, task)

	if log := readLog(t, task); log != "300\n300\n" {
		t.Errorf("scores %q, want 300 twice", log)
	}
}
