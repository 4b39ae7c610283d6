package container_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// plain returns a command that runs the program as process 1, on this machine's files.
func plain(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	isolated(t)

	return exec.Command("unshare", append([]string{
		"--pid", "--mount", "--mount-proc", "--fork", "--kill-child", "--", os.Getenv(programVar),
	}, args...)...)
}

// script writes a command.
func script(t *testing.T, text string) string {
	t.Helper()

	path := filepath.Join(t.TempDir(), "handler")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}

	return path
}

// spool makes a spool with files in its inbox.
func spool(t *testing.T, names ...string) string {
	t.Helper()

	dir := filepath.Join(t.TempDir(), "orders")
	if err := os.MkdirAll(filepath.Join(dir, "inbox"), 0o755); err != nil {
		t.Fatal(err)
	}

	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, "inbox", name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}

// TestOrphans: commands leave processes behind that end before, while and after their
// command does. Each is reaped, and no exit status is mistaken for another.
func TestOrphans(t *testing.T) {
	t.Parallel()

	const jobs, codes = 500, 60 // no code up to that means anything special but 0

	var names []string
	for i := range jobs {
		names = append(names, fmt.Sprintf("%d-%d", i%codes, i))
	}

	dir := spool(t, names...)
	handler := script(t, `
(setsid sh -c 'exit 7' &)
(setsid sh -c 'sh -c "exit 8" & sleep 0.1; exit 9' &)
(setsid sleep 0.02 &)
exit "${IMPORTERD_JOB_NAME%-*}"`)

	c := start(t, plain(t,
		"run", "--spool", dir, "--attempts", "1", "--workers", "8", "--log-format", "json", "--", handler))
	c.await("all jobs", func() bool { return len(ends(c)) == jobs })

	for name, code := range ends(c) {
		if want, _, _ := strings.Cut(name, "-"); strconv.Itoa(code) != want {
			t.Errorf("%s has exited with %d", name, code)
		}
	}

	c.await("nobody but the daemon", func() bool { return len(children(c.first)) == 1 })

	if rest := children(c.daemon()); len(rest) > 0 {
		t.Errorf("the daemon has children: %v", rest)
	}

	c.send(unix.SIGTERM)
	c.wants(0)
}

// ends returns the exit code of each job that has ended.
func ends(c *container) map[string]int {
	all := map[string]int{}

	for line := range strings.Lines(c.log.String()) {
		var entry struct {
			Message, File string
			Exit          *int
		}

		if json.Unmarshal([]byte(line), &entry) == nil && entry.Exit != nil &&
			(entry.Message == "job done" || entry.Message == "job failed") {
			all[entry.File] = *entry.Exit
		}
	}

	return all
}

// TestStop: the first signal drains, the second one cuts off, the third one kills.
func TestStop(t *testing.T) {
	t.Parallel()

	for signals, end := range map[int]string{1: "done", 2: "deferred", 3: "deferred"} {
		t.Run(strconv.Itoa(signals), func(t *testing.T) {
			t.Parallel()

			dir := spool(t, "a")
			gate := filepath.Join(t.TempDir(), "gate")
			handler := script(t, fmt.Sprintf(`
[ %d = 3 ] && trap '' TERM
until [ -e %s ]; do sleep 0.05; done`, signals, gate))

			c := start(t, plain(t, "run", "--spool", dir, "--drain", "1h", "--kill-after", "1h", "--log-format", "json",
				"--log-level", "debug", "--", handler))
			c.logged("job started")
			c.send(unix.SIGTERM)
			c.logged("told to stop")

			switch signals {
			case 1:
				if err := os.WriteFile(gate, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			case 2:
				c.send(unix.SIGINT)
			case 3:
				c.send(unix.SIGINT)
				c.await("the second one", func() bool { return strings.Count(c.log.String(), "told to stop") == 2 })
				c.send(unix.SIGTERM)
			}

			c.wants(0)

			if files, err := os.ReadDir(filepath.Join(dir, end)); err != nil || len(files) != 1 {
				t.Errorf("%s/ holds %v, %v\n%s", end, files, err, c.log.String())
			}
		})
	}
}

// TestEnds: process 1 ends as the daemon does.
func TestEnds(t *testing.T) {
	t.Parallel()

	c := start(t, plain(t, "run", "--spool", spool(t), "--log-format", "json", "--", "true"))
	c.logged(`"message":"ready"`)

	if err := unix.Kill(c.daemon(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}

	c.wants(128 + int(unix.SIGKILL))

	for code, args := range map[int][]string{
		78: {"run", "--config", "/nowhere"},
		64: {"run", "--nonsense"},
		1:  {"run", "--spool", spool(t, "a"), "--once", "--attempts", "1", "--", "false"},
		0:  {"version"},
	} {
		cmd := plain(t, args...)
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != code {
			t.Errorf("%q has ended with %v, want %d\n%s", args, cmd.ProcessState, code, out)
		}
	}
}

// TestHandedSocket: a socket that an engine has meant for process 1 is the daemon's.
func TestHandedSocket(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "api")

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // the daemon has it

	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	cmd := plain(t, "run", "--spool", spool(t), "--log-format", "json", "--", "true")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Env = append(os.Environ(), "LISTEN_PID=1", "LISTEN_FDS=1")

	c := start(t, cmd)
	c.logged(`"message":"ready"`)

	ask := exec.Command(os.Getenv(programVar), "status", "--alive", "--listen", "unix:"+path)
	if out, err := ask.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, c.log.String())
	}

	c.send(unix.SIGTERM)
	c.wants(0)
}
