package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/journal"
)

const (
	// childVariable makes the test binary a process that uses the journal in
	// the directory that it names.
	childVariable = "IMPORTERD_TEST_JOURNAL"

	// turnsVariable makes it note and commit in turns, some times.
	turnsVariable = "IMPORTERD_TEST_TURNS"
)

// childMain is the child: several callers record jobs and tell each one that
// was recorded on standard output, until the process is killed or a call fails.
// It says whether this process is a child.
func childMain() bool {
	dir := os.Getenv(childVariable)
	if dir == "" {
		return false
	}

	j, err := journal.Open(options(dir))
	if err == nil {
		tell("open")

		if os.Getenv(turnsVariable) != "" {
			takeTurns(j)
		} else {
			work(j)
		}

		err = j.Close()
	}

	tell("closed", err)

	return true
}

// tell writes a line at once.
func tell(words ...any) { _, _ = fmt.Fprintln(os.Stdout, words...) }

func takeTurns(j *journal.Journal) {
	for i := range 10 { // few enough not to fold the log
		rec, upload := plain("a"), plain("b")
		upload.Origin = job.Uploaded

		tell("noted", j.Note(rec, plain("c")))
		tell("committed", j.Commit(plain("d")))
		tell("noted", j.Note(plain("e")))
		tell("committed", j.Accept(upload))
		tell("noted", j.Note(plain("f")))
		tell("committed", j.Wish(job.WishPause, rec.ID))

		rec.State = job.Paused

		tell("noted", j.Note(rec)) // which ends the wish
		tell("committed", j.Wish(job.NoWish, rec.ID))
		tell("noted", j.Note(plain("g")))
		tell("committed", j.SetPaused(i%2 == 0))
		tell("noted", j.Note(plain("h")))
		tell("committed", j.Commit()) // what was noted
	}
}

func work(j *journal.Journal) {
	var callers sync.WaitGroup

	for i := range 6 {
		callers.Go(func() { recordOn(j, i%3 == 0) })
	}

	callers.Wait()
}

// recordOn takes jobs through their lives until a call fails. A line says what
// the call before it has promised.
func recordOn(j *journal.Journal, durable bool) {
	for {
		rec := plain("a")

		err := j.Note(rec)
		if err == nil {
			tell("kept", rec.ID, rec.State)

			record := j.Note
			if durable {
				record = j.Commit
			}

			rec = ended(rec, job.Done)
			if err = record(rec); err == nil {
				tell("kept", rec.ID, rec.State)
			}
		}

		if err != nil {
			again := j.Commit(plain("b"))
			_, _, dueErr := j.Due(time.Now(), 1)
			_, getErr := j.Get(rec.ID)
			tell("error",
				errors.Is(err, job.ErrUntrusted), errors.Is(again, job.ErrUntrusted),
				errors.Is(dueErr, job.ErrUntrusted), errors.Is(getErr, job.ErrUntrusted), err)

			return
		}
	}
}

// child runs the child until it ends, or until it has told enough lines and is
// killed, and returns what it has told.
func child(ctx context.Context, t *testing.T, dir string, enough int, wrapper ...string) []string {
	t.Helper()

	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	args := append(wrapper, os.Args[0])
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+dir)

	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) } // what is wrapped too

	var noise strings.Builder

	cmd.Stderr = &noise

	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())

	var lines []string

	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		lines = append(lines, scanner.Text())
		if len(lines) == enough {
			must(t, cmd.Process.Kill())
		}
	}

	_ = cmd.Wait() // killed

	if ctx.Err() != nil || len(lines) == 0 {
		t.Fatalf("child told %d lines, noise %s", len(lines), noise.String())
	}

	return lines
}

// TestKilledProcessKeepsWhatItTold kills a process at any point of its work,
// again and again on one journal.
func TestKilledProcessKeepsWhatItTold(t *testing.T) {
	t.Parallel()

	kills := 25
	if testing.Short() {
		kills = 3
	}

	dir := t.TempDir()
	told := map[string]job.State{}

	for i := range kills {
		for _, line := range child(t.Context(), t, dir, 2+i*i*3) {
			if words := strings.Fields(line); words[0] == "kept" {
				told[words[1]] = job.State(words[2])
			}
		}
	}

	if exists(t, dir+"/journal.db.aside") {
		t.Error("a whole journal was set aside")
	}

	j := open(t, dir)

	for text, state := range told {
		id, err := job.ParseID(text)
		must(t, err)

		// The next step may have been taken before its line was written.
		e, err := j.Get(id)
		if err != nil || e.State != state && e.State != job.Done {
			t.Fatalf("job %s: told %s, journal has %q, %v", text, state, e.State, err)
		}
	}

	t.Logf("%d jobs were told", len(told))
}

// TestFailedFlushIsTheEnd has the kernel fail each kind of flush at different
// places: nothing is told from then on.
func TestFailedFlushIsTheEnd(t *testing.T) {
	t.Parallel()

	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is missing")
	}

	for name, args := range map[string][]string{
		"soon":        {"-e", "inject=fsync,fdatasync:error=EIO:when=12+"},
		"later":       {"-e", "inject=fsync,fdatasync:error=EIO:when=40+"},
		"of the -wal": {"-e", "inject=fsync,fdatasync:error=EIO:when=30+", "-P", "journal.db-wal"},
		"at a fold":   {"-e", "inject=fsync,fdatasync:error=EIO:when=3+", "-P", "journal.db"},
		"once":        {"-e", "inject=fsync,fdatasync:error=EIO:when=30"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := t.TempDir()
			for i := range args {
				if strings.HasPrefix(args[i], "journal.db") {
					args[i] = filepath.Join(dir, args[i])
				}
			}

			wrapper := append([]string{
				"strace", "-f", "-qq", "-o", filepath.Join(dir, "trace"), "-e", "trace=fsync,fdatasync",
			}, args...)
			lines := child(t.Context(), t, dir, 1_000_000, wrapper...)

			failures := 0

			for _, line := range lines {
				if strings.HasPrefix(line, "error ") {
					failures++

					if !strings.HasPrefix(line, "error true true true true") {
						t.Errorf("a call went on after a failed flush: %s", line)
					}
				}
			}

			if failures != 6 {
				t.Errorf("%d of 6 callers were told: %q", failures, lines[max(0, len(lines)-10):])
			}
		})
	}
}

// TestCommitFlushesAndNoteDoesNot looks at what the kernel is asked for.
func TestCommitFlushesAndNoteDoesNot(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is missing")
	}

	t.Setenv(turnsVariable, "1")

	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	child(t.Context(), t, dir, 1_000_000, "strace", "-f", "-qq", "-y", "-o", trace, "-e", "trace=write,fsync,fdatasync")

	content, err := os.ReadFile(trace)
	must(t, err)

	_, turns, _ := strings.Cut(string(content), `"open`)
	flushed, seen := 0, 0

	for line := range strings.Lines(turns) {
		switch {
		case strings.Contains(line, "sync(") && strings.Contains(line, "journal.db-wal>"):
			flushed++
		case strings.Contains(line, `"noted <nil>`):
			if flushed != 0 {
				t.Errorf("a note was flushed %d times", flushed)
			}
		case strings.Contains(line, `"committed <nil>`):
			if seen++; flushed != 1 {
				t.Errorf("a commit was flushed %d times", flushed)
			}

			flushed = 0
		}
	}

	if seen != 10*6 {
		t.Errorf("%d commits seen in %s", seen, content)
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()

	_, err := os.Lstat(path)

	return err == nil
}
