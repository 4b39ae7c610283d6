package systemd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// bootTime is how long a systemd may take to come up on a busy machine.
	bootTime = 2 * time.Minute
	// caseTime bounds one case.
	caseTime = 5 * time.Minute
	// groupTime is how long the cgroups of a box that was killed may stay busy.
	groupTime = 10 * time.Second
	// cannot is the exit status of `box` where a machine does not allow one.
	cannot = 77
)

// box is a running systemd.
type box struct {
	pid     int // of its PID 1
	console *console
	ended   chan error // `box` has ended: sent once, by boot
}

// console is what systemd prints at its boot.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()

	return strings.TrimSpace(c.text.String())
}

// boot starts a box, which ends with the test. It skips the test where there can
// be none.
func boot(t *testing.T, root string) *box {
	t.Helper()

	b := &box{console: &console{}, ended: make(chan error, 1)}
	scratch := t.TempDir()
	// Its cgroup goes last, when all that was in it has ended.
	group := cgroup(t)

	cmd := exec.Command("./box", root, os.Getenv(shareVar), scratch, group)
	cmd.Stdout, cmd.Stderr = b.console, b.console
	// Were we killed, it would live on: systemd ends with `box`, its parent.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	var running sync.WaitGroup

	running.Go(func() { b.ended <- cmd.Wait() })

	t.Cleanup(func() {
		_ = cmd.Process.Kill() // dead already is as good
		running.Wait()
	})

	b.await(t, "PID 1", func() bool { return b.find(cmd.Process.Pid) })
	b.await(t, "systemd", func() bool {
		out, _ := b.command(t.Context(), "systemctl", "is-system-running").Output() // fails until it is up

		return slices.Contains([]string{"running", "degraded"}, strings.TrimSpace(string(out)))
	})

	return b
}

// await waits until a part of the boot has come up.
func (b *box) await(t *testing.T, what string, up func() bool) {
	t.Helper()

	deadline := time.NewTimer(bootTime)
	defer deadline.Stop()

	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()

	for !up() {
		select {
		case err := <-b.ended:
			b.ended <- err

			if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == cannot {
				t.Skipf("this machine allows no box: %s", b.console)
			}

			t.Fatalf("the box has ended with %v: %s", err, b.console)
		case <-deadline.C:
			t.Fatalf("%s does not come up: %s", what, b.console)
		case <-tick.C:
		}
	}
}

// find looks for the box's PID 1: the child of unshare, once it has become systemd.
func (b *box) find(parent int) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent)) // it may have ended

	for field := range strings.FieldsSeq(string(text)) {
		comm, _ := os.ReadFile("/proc/" + field + "/comm")
		if pid, err := strconv.Atoi(field); err == nil && string(comm) == "systemd\n" {
			b.pid = pid

			return true
		}
	}

	return false
}

// command returns a command that runs in the box as root.
func (b *box) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(b.pid), "-a", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"}
	cmd.WaitDelay = 10 * time.Second

	return cmd
}

// run runs a case, under units that a sed script has changed, and returns what it said.
func (b *box) run(ctx context.Context, name, mutation string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, caseTime)
	defer cancel()

	cmd := b.command(ctx, "/bin/bash", "/share/"+name)
	cmd.Env = append(cmd.Env, "MUTATE="+mutation)

	out, err := cmd.CombinedOutput()

	return string(out), err
}

// cgroup makes a cgroup (v2) for a box.
func cgroup(t *testing.T) string {
	t.Helper()

	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}

	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] != "cgroup2" {
			continue
		}

		dir, err := os.MkdirTemp(fields[1], "importerd-test-")
		if err != nil {
			t.Skipf("no cgroup for a box: %v", err)
		}

		t.Cleanup(func() { removeGroups(dir) })

		// In the box it is /sys/fs/cgroup, which everybody may enter.
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}

		return dir
	}

	t.Skip("no cgroups of version 2 are mounted")

	return ""
}

// removeGroups removes a cgroup and those below it. The processes in them have been
// killed; the last of them may not be gone yet.
func removeGroups(top string) {
	deadline := time.NewTimer(groupTime)
	defer deadline.Stop()

	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()

	for !removed(top) {
		select {
		case <-deadline.C:
			return // it is empty and does no harm
		case <-tick.C:
		}
	}
}

// removed says whether a cgroup could be removed with those below it.
func removed(top string) bool {
	var dirs []string

	_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}

		return nil
	})

	for _, dir := range slices.Backward(dirs) {
		_ = os.Remove(dir) // busy, or gone
	}

	_, err := os.Lstat(top)

	return errors.Is(err, fs.ErrNotExist)
}
