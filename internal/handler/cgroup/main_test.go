package cgroup_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"importerd/internal/handler/cgroup"
	"importerd/internal/handler/enter"
)

// longWait is for what must happen, whatever the machine has to do besides.
const longWait = time.Minute

// askMe makes the test binary a program that waits to be asked to end and adds a line to
// a file each time it is. No shell will do: dash loses a signal that comes while it forks.
const askMe = "ask-me"

func asked(told string) {
	c := make(chan os.Signal, 9)
	signal.Notify(c, sigterm)

	if os.WriteFile(told+".up", []byte("ready\n"), 0) != nil {
		return
	}

	for range c {
		if f, err := os.OpenFile(told, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			_, _ = f.WriteString("x\n")
			_ = f.Close()
		}
	}
}

func TestMain(m *testing.M) {
	if enter.Wanted(os.Args) {
		_ = enter.Run()

		os.Exit(64)
	}

	if len(os.Args) > 2 && os.Args[1] == askMe {
		asked(os.Args[2])
	}

	if len(os.Args) > 1 && os.Args[1] == daemonArg {
		os.Exit(daemon())
	}

	goleak.VerifyTestMain(m)
}

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// directory returns a cgroup in which nothing lives. It goes away with the test.
func directory(t testing.TB) string {
	t.Helper()

	own, err := cgroup.Own()
	if err != nil {
		t.Skipf("needs cgroups of version 2: %v", err)
	}

	dir, err := os.MkdirTemp(own.Dir, "importerd-cgroup-test-")
	if err != nil {
		t.Skipf("needs a cgroup in which it may make others (be root): %v", err)
	}

	t.Cleanup(func() { clean(t, dir) })
	must(t, os.Chmod(dir, 0o755))

	if _, err := os.Stat(filepath.Join(dir, "cgroup.kill")); err != nil {
		t.Skipf("needs Linux 5.14: %v", err)
	}

	return dir
}

// clean ends and removes a cgroup with all below.
func clean(t testing.TB, dir string) {
	t.Helper()

	_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)

	eventually(t, "cgroup is removed", func() bool { return removeAll(dir) == nil })
}

func removeAll(dir string) error {
	below, _ := filepath.Glob(filepath.Join(dir, "*/"))
	for _, path := range below {
		if info, err := os.Lstat(path); err == nil && info.IsDir() {
			if err := removeAll(path); err != nil {
				return err
			}
		}
	}

	if err := os.Remove(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}

	return nil
}

// hold returns a root of its own.
func hold(t testing.TB) *cgroup.Root {
	t.Helper()

	r, err := cgroup.Hold(directory(t), zerolog.Nop())
	must(t, err)
	t.Cleanup(func() { _ = r.Close() })

	return r
}

// withController is hold with a controller enabled.
func withController(t testing.TB, controller string, l cgroup.Limits) *cgroup.Root {
	t.Helper()

	r := hold(t)
	r.Enable()

	if err := r.Unmet(l); err != nil {
		t.Skipf("needs the controller %s in a cgroup of version 2: %v", controller, err)
	}

	return r
}

func newGroup(t testing.TB, r *cgroup.Root, name string) *cgroup.Group {
	t.Helper()

	g, err := r.New(name, cgroup.Limits{})
	must(t, err)

	return g
}

// inside runs a script in a group until the test ends, and returns its process when it
// has printed a line, and the line.
func inside(t testing.TB, g *cgroup.Group, script string) (*exec.Cmd, string) {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, UseCgroupFD: true, CgroupFD: g.FD()}

	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())

	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})

	var line string

	_, err = fmt.Fscanln(out, &line)
	must(t, err)

	return cmd, line
}

// fileOf reads a file of a group.
func fileOf(t testing.TB, r *cgroup.Root, name, file string) string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(r.Path(), name, file))
	must(t, err)

	return strings.TrimSpace(string(text))
}

func exists(r *cgroup.Root, name string) bool {
	_, err := os.Stat(filepath.Join(r.Path(), name))

	return err == nil
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()

	deadline := time.After(longWait)
	ticker := time.NewTicker(time.Millisecond)

	defer ticker.Stop()

	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("does not come about: %s", what)
		}
	}
}

// isAlive says whether a process lives and is no zombie.
func isAlive(t testing.TB, pid string) bool {
	t.Helper()

	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}

	state := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[0]

	return state != "Z" && state != "X"
}

func number(t testing.TB, text string) int {
	t.Helper()

	n, err := strconv.Atoi(text)
	must(t, err)

	return n
}

func needs(t testing.TB, program string) {
	t.Helper()

	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s: %v", program, err)
	}
}

func nobody(int) bool { return false }

const sigterm = unix.SIGTERM
