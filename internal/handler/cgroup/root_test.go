package cgroup_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"importerd/internal/handler/cgroup"
)

// daemonArg makes the test binary a daemon that takes its own cgroup over, says how it
// went, and ends when its standard input does.
const daemonArg = "be-a-daemon"

func daemon() int {
	own, err := cgroup.Own()
	if err == nil {
		err = own.Delegated()
	}

	var r *cgroup.Root

	if err == nil {
		r, err = cgroup.Hold(own.Dir, zerolog.Nop())
	}

	if err == nil {
		err = r.MoveIn()
	}

	if err == nil {
		r.Enable()

		now, _ := cgroup.Own()
		_, err = fmt.Fprintln(os.Stdout, "in", now.Dir)
	} else {
		_, err = fmt.Fprintln(os.Stdout, "none:", err)
	}

	if err != nil {
		return 1
	}

	_, _ = io.Copy(io.Discard, os.Stdin)

	return 0
}

// launch starts a daemon in a cgroup and returns what it says. It ends with stop.
func launch(t *testing.T, dir string, attr *syscall.SysProcAttr) (said string, stop func()) {
	t.Helper()

	at, err := os.Open(dir)
	must(t, err)

	defer at.Close()

	attr.UseCgroupFD, attr.CgroupFD = true, int(at.Fd())

	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", daemonArg) // also for who cannot reach its path
	cmd.SysProcAttr = attr

	in, err := cmd.StdinPipe()
	must(t, err)

	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())

	var line []byte

	for c := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; {
		if _, err := out.Read(c); err != nil {
			t.Fatalf("daemon said %q: %v", line, err)
		}

		line = append(line, c[0])
	}

	stop = func() {
		_ = in.Close()
		must(t, cmd.Wait())
	}

	return strings.TrimSpace(string(line)), stop
}

func delegate(t *testing.T, dir string) {
	t.Helper()

	if err := unix.Setxattr(dir, "user.delegate", []byte("1"), 0); err != nil {
		t.Skipf("needs attributes on cgroups: %v", err)
	}
}

func TestDelegated(t *testing.T) {
	t.Parallel()

	dir := directory(t)
	delegate(t, dir)

	// After each stop it is there again, as after a restart of the service.
	for range 2 {
		said, stop := launch(t, dir, &syscall.SysProcAttr{})

		if want := "in " + filepath.Join(dir, "daemon"); said != want {
			t.Errorf("daemon said %q, want %q", said, want)
		}

		if procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs")); err != nil || len(procs) > 0 {
			t.Errorf("left in the cgroup: %q, %v", procs, err)
		}

		stop()
	}
}

// Whoever is in the cgroup besides, as process 1 of a container, goes with the daemon: a
// process there is in the way of controllers.
func TestOthersMoveIn(t *testing.T) {
	t.Parallel()
	needs(t, "sleep")

	dir := directory(t)
	delegate(t, dir)

	at, err := os.Open(dir)
	must(t, err)

	defer at.Close()

	other := exec.CommandContext(t.Context(), "sleep", "1000")
	other.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(at.Fd())}
	must(t, other.Start())

	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()

	_, stop := launch(t, dir, &syscall.SysProcAttr{})
	defer stop()

	if procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs")); err != nil || len(procs) > 0 {
		t.Errorf("left in the cgroup: %q, %v", procs, err)
	}

	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", other.Process.Pid))
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(own)), filepath.Base(dir)+"/daemon") {
		t.Errorf("the other one is in %s, %v", own, err)
	}
}

// Root may make cgroups everywhere. They are not ours for that.
func TestNotDelegated(t *testing.T) {
	t.Parallel()

	dir := directory(t)
	said, stop := launch(t, dir, &syscall.SysProcAttr{})

	defer stop()

	if !strings.HasPrefix(said, "none: ") || !strings.Contains(said, "Delegate=yes") || !strings.Contains(said, dir) {
		t.Errorf("daemon said %q", said)
	}

	if _, err := os.Stat(filepath.Join(dir, "daemon")); err == nil {
		t.Error("a leaf was made")
	}
}

// The root of all is nobody's.
func TestRootOfAll(t *testing.T) {
	t.Parallel()

	dir := directory(t)
	for ; !isRoot(dir); dir = filepath.Dir(dir) {
	}

	said, stop := launch(t, dir, &syscall.SysProcAttr{})

	defer stop()

	if !strings.HasPrefix(said, "none: ") {
		t.Errorf("daemon said %q", said)
	}
}

func isRoot(dir string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(dir), "cgroup.procs"))

	return err != nil
}

// The root of a cgroup namespace, as of a container, is left to who lives in it.
func TestRootOfNamespace(t *testing.T) {
	t.Parallel()

	dir := directory(t)
	said, stop := launch(t, dir, &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWCGROUP | unix.CLONE_NEWNS})

	defer stop()

	// The mount is the one of the outer namespace: there the cgroup has another name.
	if strings.HasPrefix(said, "in ") {
		t.Errorf("daemon said %q, but cannot know where its cgroup is", said)
	}

	needs(t, "unshare")
	needs(t, "mount")

	exe, err := os.Executable()
	must(t, err)

	cmd := exec.CommandContext(t.Context(), "sh", "-c",
		`echo 0 >"$1/cgroup.procs" && exec unshare -Cm --propagation private sh -c '
			mount -t cgroup2 none "$1" && exec "$2" "$3" </dev/null' - "$2" "$3" "$4"`,
		"-", dir, t.TempDir(), exe, daemonArg)

	out, err := cmd.CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("in ")) {
		t.Skipf("needs a cgroup namespace with a mount of its own: %v: %s", err, out)
	}

	if !bytes.HasPrefix(out, []byte("in /")) || !bytes.HasSuffix(out, []byte("/daemon\n")) {
		t.Errorf("daemon said %q", out)
	}
}

// Two daemons in one cgroup would end each other's groups.
func TestSecondDaemon(t *testing.T) {
	t.Parallel()

	dir := directory(t)
	delegate(t, dir)

	first, stop := launch(t, dir, &syscall.SysProcAttr{})
	defer stop()

	second, stopSecond := launch(t, dir, &syscall.SysProcAttr{})
	defer stopSecond()

	if !strings.HasPrefix(first, "in ") || !strings.Contains(second, "used by another daemon") {
		t.Errorf("they said %q and %q", first, second)
	}
}

// A user to whom it was not given finds out without harm.
func TestNotAllowed(t *testing.T) {
	t.Parallel()

	if os.Geteuid() != 0 {
		t.Skip("needs root to become somebody else")
	}

	dir := directory(t)
	delegate(t, dir)

	said, stop := launch(t, dir, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
	defer stop()

	if !strings.HasPrefix(said, "none: ") || !strings.Contains(said, "permission denied") {
		t.Errorf("daemon said %q", said)
	}
}

// What an earlier daemon has left is ended and removed, but for what somebody wants to
// end with more patience.
func TestLeftovers(t *testing.T) {
	t.Parallel()

	r := hold(t)
	kept, child := inside(t, newGroup(t, r, "job-kept"), `echo $$; exec sleep 1000`)
	_, frozen := inside(t, newGroup(t, r, "job-frozen"), `echo $$; exec sleep 1000`)
	_, note := inside(t, newGroup(t, r, "note-1"), `trap "" TERM; echo $$; while :; do sleep 1000; done`)

	g, err := r.Find("job-frozen")
	must(t, err)

	if !g.Freeze(longWait) {
		t.Fatal("does not stand")
	}

	g.Close()
	newGroup(t, r, "job-empty").Close()
	must(t, os.Mkdir(filepath.Join(r.Path(), "stranger"), 0o755))

	r.Clear(func(name string) bool { return name == "job-kept" })

	if isAlive(t, frozen) || isAlive(t, note) || !isAlive(t, child) || kept.ProcessState != nil {
		t.Error("the wrong ones live")
	}

	if got := strings.Join(r.Names(), " "); got != "job-kept" || !exists(r, "stranger") {
		t.Errorf("left are %q", got)
	}

	if _, err := r.Find("job-empty"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that there is none", err)
	}
}

// Where no group can be made, that is told once.
func TestNoRoom(t *testing.T) {
	t.Parallel()

	var log bytes.Buffer

	r, err := cgroup.Hold(directory(t), zerolog.New(&log))
	must(t, err)

	defer func() { must(t, r.Close()) }()

	must(t, os.WriteFile(filepath.Join(r.Path(), "cgroup.max.descendants"), []byte("1"), 0))

	g := newGroup(t, r, "job-1")

	for range 2 {
		if _, err := r.New("job-2", cgroup.Limits{}); !errors.Is(err, cgroup.ErrNone) {
			t.Errorf("got %v, want that there is none", err)
		}
	}

	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "job-2") {
		t.Errorf("log %s", log.String())
	}

	g.Remove()
	newGroup(t, r, "job-2").Remove()
}

func itoa(n int) string { return strconv.Itoa(n) }
