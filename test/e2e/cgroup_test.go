package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ward is a bench whose daemon lives in a cgroup of its own.
type ward struct {
	*bench

	dir string // the cgroup
	log lockedBuffer
}

// lockedBuffer is what two daemons log.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buf.String()
}

// newWard makes the cgroup, and delegates it if that is wanted.
func newWard(t *testing.T, delegated bool) *ward {
	t.Helper()

	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skipf("needs setsid: %v", err)
	}

	dir, err := os.MkdirTemp(mountOf(t), "importerd-e2e-test-")
	if err != nil {
		t.Skipf("needs a cgroup in which it may make others (be root): %v", err)
	}

	t.Cleanup(func() { removeCgroup(t, dir) })

	if _, err := os.Stat(filepath.Join(dir, "cgroup.kill")); err != nil {
		t.Skipf("needs Linux 5.14: %v", err)
	}

	if delegated {
		if err := unix.Setxattr(dir, "user.delegate", []byte("1"), 0); err != nil {
			t.Skipf("needs attributes on cgroups: %v", err)
		}
	}

	return &ward{bench: newBench(t), dir: dir}
}

// mountOf returns where this process's own cgroup of version 2 is.
func mountOf(t *testing.T) string {
	t.Helper()

	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}

	name := ""

	for line := range strings.Lines(string(own)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			name = rest
		}
	}

	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}

	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" && name != "" {
			return filepath.Join(fields[1], name)
		}
	}

	t.Skip("needs cgroups of version 2: none are mounted")

	return ""
}

// removeCgroup kills and removes all that is in a cgroup.
func removeCgroup(t *testing.T, dir string) {
	t.Helper()

	_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)

	b := &bench{T: t}
	b.await("the cgroup is removed", func() bool {
		below, _ := filepath.Glob(filepath.Join(dir, "*", "cgroup.procs"))
		for _, procs := range below {
			_ = os.Remove(filepath.Dir(procs))
		}

		err := os.Remove(dir)

		return err == nil || errors.Is(err, os.ErrNotExist)
	})
}

// run starts a daemon in the cgroup with a configuration, and returns when it is ready.
func (w *ward) run(more, script string) *exec.Cmd {
	w.Helper()

	// In the same directory, so that a second daemon finds all as it was.
	path := filepath.Join(filepath.Dir(w.spool), "importerd.toml")
	text := "listen = \"unix:" + w.socket() + "\"\n[spool.orders]\ndir = \"" + w.spool + "\"\nbackoff = \"1s..1s\"\n" +
		"kill_after = \"200ms\"\n" + more + "\ncommand = [\"sh\", \"-c\", " + strconv.Quote(script) + ", \"x\", \"{}\"]\n"

	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}

	at, err := os.Open(w.dir)
	if err != nil {
		w.Fatal(err)
	}
	defer at.Close()

	daemon := exec.CommandContext(w.Context(), w.binary, "run", "--config", path, "--log-level", "debug")
	daemon.Stderr = &w.log
	daemon.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(at.Fd())}
	before := strings.Count(w.log.String(), `"ready"`)

	if err := daemon.Start(); err != nil {
		w.Fatal(err)
	}

	w.await("ready", func() bool { return strings.Count(w.log.String(), `"ready"`) > before })

	return daemon
}

func (w *ward) socket() string { return filepath.Join(filepath.Dir(w.spool), "s") }

// drop delivers a file.
func (w *ward) drop(name string) {
	w.Helper()

	part := w.inbox(name + ".part")
	if err := os.WriteFile(part, []byte("x\n"), 0o600); err != nil {
		w.Fatal(err)
	}

	if err := os.Rename(part, w.inbox(name)); err != nil {
		w.Fatal(err)
	}
}

// told returns the words of a file that handlers write whole.
func (w *ward) told(name string) []string {
	text, err := os.ReadFile(filepath.Join(w.outside, name))
	if err != nil {
		return nil
	}

	return strings.Fields(string(text))
}

// ask returns the answer of a command that prints JSON.
func (w *ward) ask(answer any, args ...string) {
	w.Helper()

	cmd := exec.CommandContext(w.Context(), w.binary, append(args, "--output", "json")...)
	cmd.Env = append(os.Environ(), "IMPORTERD_CONFIG="+filepath.Join(filepath.Dir(w.spool), "importerd.toml"))

	out, err := cmd.Output() // status has an exit code of its own
	if json.Unmarshal(out, answer) != nil {
		w.Fatalf("%q said %q, %v", args, out, err)
	}
}

// isolation returns what status says.
func (w *ward) isolation() string {
	w.Helper()

	var status struct{ Spools []struct{ Isolation string } }

	w.ask(&status, "status")

	if len(status.Spools) != 1 {
		w.Fatalf("status tells of %d spools", len(status.Spools))
	}

	return status.Spools[0].Isolation
}

// lives says whether a process is there and no zombie.
func lives(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}

	return !strings.Contains(string(stat[bytes.LastIndexByte(stat, ')'):]), ") Z")
}

// tell has a handler write down its number and that of a child which has let go of the
// lock and made a session of its own, once both are deaf.
func (w *ward) tell() string {
	return `trap "" TERM
		mkfifo ` + w.outside + `/$$
		setsid sh -c 'trap "" TERM HUP; echo $$ >` + w.outside + `/'$$'
			exec >/dev/null 2>&1; while :; do sleep 1000; done' 3>&- 4>&- &
		read child <` + w.outside + `/$$
		echo $$ $child >` + w.outside + `/told.part
		mv ` + w.outside + `/told.part ` + w.outside + `/told
	`
}

// TestCgroupOfAnAttempt has all that an attempt starts end with it, also what nothing
// else would find.
func TestCgroupOfAnAttempt(t *testing.T) {
	t.Parallel()

	w := newWard(t, true)
	daemon := w.run("", w.tell()+"cat /proc/self/cgroup >"+w.outside+"/cgroup")

	if got := w.isolation(); got != "cgroup" {
		t.Errorf("isolation %q", got)
	}

	w.drop("a.csv")
	w.await("it is done", func() bool { return len(w.list("done")) == 1 })

	var list struct {
		Jobs []struct {
			ID  string
			CPU float64
		}
	}

	w.ask(&list, "jobs")

	if len(list.Jobs) != 1 || list.Jobs[0].CPU <= 0 {
		t.Fatalf("jobs %+v", list)
	}

	if got := strings.Join(w.told("cgroup"), "\n"); !strings.HasSuffix(got, "/job-"+list.Jobs[0].ID) {
		t.Errorf("it was in %s", got)
	}

	if told := w.told("told"); len(told) != 2 || lives(told[1]) {
		t.Errorf("of %q the second lives on", told)
	}

	w.stop(daemon)

	if left, _ := filepath.Glob(filepath.Join(w.dir, "job-*")); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}

// TestCgroupAfterAKill kills the daemon. The next one ends all of the old handler before
// it tries again; also if only that is left which nothing else would find.
func TestCgroupAfterAKill(t *testing.T) {
	t.Parallel()

	for name, mainToo := range map[string]bool{"the handler lives": false, "only its child lives": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := newWard(t, true)
			first := w.run("", w.tell()+"while :; do sleep 1000; done")
			w.drop("a.csv")
			w.await("it runs", func() bool { return len(w.told("told")) == 2 })

			old := w.told("told")

			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}

			_ = first.Wait()

			if mainToo {
				pid, err := strconv.Atoi(old[0])
				if err != nil {
					t.Fatal(err)
				}

				_ = syscall.Kill(pid, syscall.SIGKILL) // its sleep has the lock, and goes too
				_ = syscall.Kill(-pid, syscall.SIGKILL)
			}

			if !lives(old[1]) {
				t.Fatal("the child did not survive, so there is nothing to be seen")
			}

			second := w.run("", `for pid in `+strings.Join(old, " ")+`; do
				case $(grep ^State /proc/$pid/status 2>/dev/null) in
				"" | *Z* | *X*) ;;
				*) echo $pid >>`+w.outside+`/alive;;
				esac; done`)

			w.await("it is done", func() bool { return len(w.list("done")) == 1 })

			if alive := w.told("alive"); len(alive) > 0 {
				t.Errorf("of %q there lived %q when it was tried again", old, alive)
			}

			w.stop(second)

			if left, _ := filepath.Glob(filepath.Join(w.dir, "job-*")); len(left) > 0 {
				t.Errorf("left are %q", left)
			}
		})
	}
}

// TestNoCgroup has a daemon to which none is delegated. It works without, and says so
// where that matters.
func TestNoCgroup(t *testing.T) {
	t.Parallel()

	w := newWard(t, false)
	daemon := w.run(`limits = { memory = "512M", cpu = "50%" }`, "exit 0")

	if got := w.isolation(); got != "process group" {
		t.Errorf("isolation %q", got)
	}

	w.drop("a.csv")
	w.await("it is done", func() bool { return len(w.list("done")) == 1 })
	w.stop(daemon)

	log := w.log.String()
	if n := strings.Count(log, "limits are not kept"); n != 1 || !strings.Contains(log, "Delegate=yes") {
		t.Errorf("warned %d times: %s", n, log)
	}

	entries, err := filepath.Glob(filepath.Join(w.dir, "*", "cgroup.procs"))
	if err != nil || len(entries) > 0 {
		t.Errorf("made %q, %v", entries, err)
	}
}
