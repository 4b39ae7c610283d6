package faults_test

import (
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHandlersThatMisbehave runs handlers that do what they should not.
func TestHandlersThatMisbehave(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		role string
		runs int
		want []string // what is in the folders at the end
	}{
		{"fork", 1, []string{"done/f.dat"}},
		{"setsid", 1, []string{"done/f.dat"}},
		{"setsid-hold", 1, []string{"done/f.dat"}},
		{"deaf", 2, []string{"done/f.dat"}},
		{"flood", 1, []string{"done/f.dat"}},
		{"delete", 1, nil},
		{"move", 1, nil},
		{"compress", 1, []string{"failed/f.dat.gz"}},
		{"replace", 1, []string{"done/f.dat"}},
		{"directory", 1, nil},
		{"close", 1, []string{"done/f.dat"}},
		{"litter", 1, []string{"done/f.dat", "failed/litter"}},
		{"kill-parent", 2, []string{"done/f.dat"}},
	} {
		t.Run(c.role, func(t *testing.T) {
			t.Parallel()

			r := newRig(t, filepath.Join(t.TempDir(), "spool"))
			r.role = c.role
			r.options = append(r.options, "--timeout", "20s", "--kill-after", "1s")

			if c.role == "deaf" {
				r.options = append(r.options, "--timeout", "1s")
			}

			text := newContent(rand.New(rand.NewPCG(1, 1)), "f", planDone, 5000).bytes
			if err := os.WriteFile(r.path("inbox", "f.dat"), text, 0o600); err != nil {
				t.Fatal(err)
			}

			begin := time.Now()

			r.start()
			r.untilTold("job done")

			if took := time.Since(begin); took > 15*time.Second && c.role != "flood" {
				t.Errorf("it took %v: somebody was waited for", took)
			}

			if code := r.stop(); code != 0 {
				t.Errorf("exit status %d\n%s", code, r.tail())
			}

			r.wantOnly(c.want)

			if runs := r.count(handlerRun); runs != c.runs {
				t.Errorf("%d runs, want %d", runs, c.runs)
			}

			r.wantSmallLogs()
		})
	}
}

// untilTold waits until the daemon has told something.
func (r *rig) untilTold(message string) {
	r.Helper()

	if !poll(func() bool {
		if r.dead() { // its handler may have killed it
			r.ended()
			r.start()
		}

		return r.count(message)+r.count("job failed") > 0
	}) || r.count(message) == 0 {
		r.Errorf("%q is not told\n%s", message, r.tail())
	}
}

// count returns how many events of a kind there were.
func (r *rig) count(message string) int {
	n := 0

	for _, e := range readHistory(r.TB, r.history()) {
		if e.Message == message {
			n++
		}
	}

	return n
}

// wantOnly wants the folders to hold these files.
func (r *rig) wantOnly(want []string) {
	r.Helper()

	var got []string
	for _, places := range r.census() {
		got = append(got, places...)
	}

	slices.Sort(got)

	if !slices.Equal(got, want) {
		r.Errorf("the folders hold %q, want %q", got, want)
	}
}

// wantSmallLogs wants the logs of jobs to be bounded.
func (r *rig) wantSmallLogs() {
	r.Helper()

	logs, err := filepath.Glob(r.path(".importerd", "logs", "*"))
	if err != nil {
		r.Error(err)
	}

	for _, path := range logs {
		if info, err := os.Stat(path); err != nil || info.Size() > 1100<<10 {
			r.Errorf("the log has %d bytes: %v", info.Size(), err)
		}
	}
}

// misbehave does what handlers should not do; role says what.
func (r *run) misbehave(role string) int {
	if role == "linger" { // what such a handler has left behind
		wait(30 * time.Second)

		return 0
	}

	r.note(handlerRun)

	first := r.firstTime(1) == 1

	switch role {
	case "fork":
		r.leave(syscall.SysProcAttr{})
	case "setsid", "setsid-hold":
		r.leave(syscall.SysProcAttr{Setsid: true})
	case "deaf":
		if first {
			signal.Ignore(syscall.SIGTERM)
			wait(20 * time.Second)
		}
	case "flood":
		return flood()
	case "kill-parent":
		if first {
			_ = syscall.Kill(os.Getppid(), syscall.SIGKILL)

			return 75
		}
	case "close":
		shell := "exec 0<&- 1>&- 2>&- 3>&- 4>&-; sleep 0.2; exit 0"
		_ = unix.Exec("/bin/sh", []string{"sh", "-c", shell}, os.Environ())

		return 70
	default:
		return r.meddle(role)
	}

	return 0
}

// meddle does something to the file that it was given.
func (r *run) meddle(role string) int {
	var err error

	switch role {
	case "delete":
		err = os.Remove(r.path)
	case "move":
		err = os.Rename(r.path, filepath.Join(r.side, "moved")) // the same disk
	case "compress":
		err = r.compress()
	case "replace":
		if err = os.WriteFile(r.path+".new", append(r.content.bytes, "more\n"...), 0o600); err == nil {
			err = os.Rename(r.path+".new", r.path)
		}
	case "directory":
		if err = os.Remove(r.path); err == nil {
			err = os.Mkdir(r.path, 0o700)
		}
	case "litter":
		err = os.WriteFile(filepath.Join(filepath.Dir(r.path), "litter"), []byte("litter"), 0o600)
	}

	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}

	return 0
}

// leave starts a process that outlives the handler and keeps all that it has
// open, its output and its lock.
func (r *run) leave(how syscall.SysProcAttr) {
	child := exec.Command(os.Args[0], r.path)
	child.Env = append(os.Environ(), roleVar+"=linger")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.SysProcAttr = &how

	if os.Getenv(roleVar) == "setsid-hold" {
		child.ExtraFiles = []*os.File{nil, os.NewFile(4, "lock")}
	}

	if err := child.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(70)
	}
}

// flood writes a gigabyte.
func flood() int {
	line := []byte(strings.Repeat("much to say ", 5461) + "\n")

	for range 16 << 10 {
		if _, err := os.Stdout.Write(line); err != nil {
			return 1
		}
	}

	return 0
}

// compress does to the file what gzip does.
func (r *run) compress() error {
	out, err := os.Create(r.path + ".gz")
	if err != nil {
		return err
	}
	defer out.Close()

	packed := gzip.NewWriter(out)
	if _, err := packed.Write(r.content.bytes); err != nil {
		return err
	}

	if err := packed.Close(); err != nil {
		return err
	}

	return os.Remove(r.path)
}
