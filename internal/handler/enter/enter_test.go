package enter_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/handler/enter"
)

// tellAll prints all that a process inherits, but for how it was started.
const tellAll = `
	echo "$0 $# $1 $2 $3"
	tr '\0' '\n' </proc/$$/environ
	tr '\0' '\n' </proc/$$/cmdline
	pwd; umask; ulimit -a; ulimit -Hn
	grep -E '^(Name|Umask|[UG]id|Groups|Threads|Sig.*|Shd.*|Cap.*|NoNew.*|Seccomp.*|THP.*):' /proc/$$/status |
		grep -v SigQ
	cat /proc/self/cgroup /proc/$$/oom_score_adj /proc/$$/personality /proc/$$/timerslack_ns
	cut -d ' ' -f 4,6-8,18,19 /proc/$$/stat
	[ "$(cut -d ' ' -f 5 /proc/$$/stat)" = $$ ] && echo "in a group of its own"
	(setsid cat /proc/self/cgroup)
	exit 7`

// A program cannot tell in which way it was started.
func TestAsByTheKernel(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	dir := directory(t)
	attr := syscall.ProcAttr{
		Dir: t.TempDir(), Sys: &syscall.SysProcAttr{Setpgid: true},
		Env: []string{
			"B=2", "A=1", "A=again", "odd", "=x", "GODEBUG=inittrace=1", "GOMAXPROCS=77", "L=" + strings.Repeat("x", 100_000),
		},
	}

	want := output(t, byTheKernel, dir, attr, tellAll)
	got := output(t, enter.Start, dir, attr, tellAll)

	if got != want {
		t.Errorf("got\n%s\nwant\n%s", short(got), short(want))
	}

	for _, part := range []string{
		"sh 3 $0 is odd  ü\n*\n", "\na name\n", "A=again\n", "=x\nGODEBUG", "in a group of its own\n",
		filepath.Base(dir.Name()) + "\n",
	} {
		if !strings.Contains(want, part) {
			t.Errorf("%q is missing in %s", part, short(want))
		}
	}
}

func short(text string) string { return strings.ReplaceAll(text, strings.Repeat("x", 100_000), "x...") }

// The program gets the descriptors that are meant for it and none besides.
func TestDescriptors(t *testing.T) {
	t.Parallel()

	dir := directory(t)
	three, err := os.Create(filepath.Join(t.TempDir(), "three"))
	must(t, err)

	defer three.Close()

	four, err := os.Create(filepath.Join(t.TempDir(), "four"))
	must(t, err)

	defer four.Close()

	link := regexp.MustCompile(`(\d+) -> (pipe|/.*)`)

	list := func(how start, files []uintptr) string {
		var all string

		attr := syscall.ProcAttr{Files: files, Sys: &syscall.SysProcAttr{}}

		for line := range strings.Lines(output(t, how, dir, attr, "ls -l /proc/self/fd; exit 7")) {
			if fd := link.FindStringSubmatch(line); fd != nil && !strings.Contains(line, "/proc/") {
				all += fd[1] + " " + fd[2] + "\n"
			}
		}

		return all
	}

	for _, files := range [][]uintptr{nil, {three.Fd()}, {three.Fd(), four.Fd()}} {
		got, want := list(enter.Start, files), list(byTheKernel, files)
		if got != want || strings.Count(got, "/three\n")+strings.Count(got, "/four\n") != len(files) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// What cannot be run is refused with the very error.
func TestErrorsAsByTheKernel(t *testing.T) {
	t.Parallel()

	dir, tmp := directory(t), t.TempDir()
	path := func(name, text string, mode os.FileMode) string {
		must(t, os.WriteFile(filepath.Join(tmp, name), []byte(text), mode))

		return filepath.Join(tmp, name)
	}

	busy, err := os.OpenFile(path("busy", "#!/bin/sh\n", 0o755), os.O_WRONLY, 0)
	must(t, err)

	defer busy.Close()

	for _, c := range []struct {
		program string
		args    []string
		want    error
	}{
		{filepath.Join(tmp, "none"), nil, unix.ENOENT},
		{"", nil, unix.ENOENT},
		{tmp, nil, unix.EACCES},
		{path("plain", "#!/bin/sh\n", 0o644), nil, unix.EACCES},
		{path("text", "some text\n", 0o755), nil, unix.ENOEXEC},
		{path("empty", "", 0o755), nil, unix.ENOEXEC},
		{path("elf", "\x7fELF\x02\x01\x01 and no more", 0o755), nil, unix.ENOEXEC},
		{path("script", "#!/no/such\n", 0o755), nil, unix.ENOENT},
		{path("script-text", "#!"+filepath.Join(tmp, "text")+"\n", 0o755), nil, unix.ENOEXEC},
		{busy.Name(), nil, unix.ETXTBSY},
		{filepath.Join(tmp, "text", "x"), nil, unix.ENOTDIR},
		{path("long", "#!/bin/sh\n", 0o755), []string{strings.Repeat("x", 200_000)}, unix.E2BIG},
		{"/bin/sh", []string{"a\x00b"}, unix.EINVAL},
		{"/bin/s\x00h", nil, unix.EINVAL},
	} {
		attr := &syscall.ProcAttr{Sys: &syscall.SysProcAttr{}, Env: []string{}}
		argv := append([]string{"x"}, c.args...)
		_, want := byTheKernel(int(dir.Fd()), c.program, argv, attr)
		_, got := enter.Start(int(dir.Fd()), c.program, argv, attr)

		if got != c.want || want != c.want { //nolint:errorlint // bare, as of the kernel
			t.Errorf("%q: %v, by the kernel %v, want %v", c.program, got, want, c.want)
		}
	}

	if left := members(t, dir); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// Where the cgroup takes nobody in, the program is not to blame, and has not run.
func TestNotEntered(t *testing.T) {
	t.Parallel()

	trace := filepath.Join(t.TempDir(), "trace")
	argv := []string{"sh", "-c", "echo x >" + trace}

	gone := directory(t)
	must(t, os.Remove(gone.Name()))

	t.Cleanup(func() { _ = os.Mkdir(gone.Name(), 0o755) }) // to be removed again

	noCgroup, err := os.Open(t.TempDir())
	must(t, err)

	defer noCgroup.Close()

	for _, dir := range []*os.File{gone, noCgroup} {
		_, err := enter.Start(int(dir.Fd()), "/bin/sh", argv, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{}})
		if !errors.Is(err, enter.ErrNotEntered) {
			t.Errorf("%s: got %v", dir.Name(), err)
		}
	}

	if _, err := os.Stat(trace); err == nil {
		t.Error("the program has run")
	}
}

// frozen starts a program in a cgroup that lets nothing in it move: whoever enters
// stops in the midst. It returns who did, and what becomes of the start.
func frozen(t *testing.T, dir *os.File, trace string) (int, <-chan int) {
	t.Helper()
	control(t, dir, "cgroup.freeze", "1")

	started := make(chan int, 1) // of the pid, by the start

	go func() {
		pid, err := enter.Start(int(dir.Fd()), "/bin/sh", []string{"sh", "-c", "echo x >" + trace},
			&syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setpgid: true}})
		if err != nil {
			pid = -1
		}

		started <- pid
	}()

	eventually(t, "it enters", func() bool { return len(members(t, dir)) == 1 })

	pid, err := strconv.Atoi(members(t, dir)[0])
	must(t, err)

	return pid, started
}

// Who is ended in the midst has had the fate of a program that is ended as it starts.
func TestEndedInTheMidst(t *testing.T) {
	t.Parallel()

	for name, end := range map[string]struct {
		do   func(dir *os.File, pid int)
		want syscall.Signal
	}{
		"the cgroup is killed": {func(dir *os.File, _ int) { control(t, dir, "cgroup.kill", "1") }, sigkill},
		"the group is asked":   {func(_ *os.File, pid int) { _ = unix.Kill(-pid, sigterm) }, sigterm},
		"it is killed":         {func(_ *os.File, pid int) { _ = unix.Kill(pid, sigkill) }, sigkill},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			trace := filepath.Join(t.TempDir(), "trace")
			dir := directory(t)
			pid, started := frozen(t, dir, trace)

			end.do(dir, pid)
			control(t, dir, "cgroup.freeze", "0")

			if got := <-started; got != pid {
				t.Fatalf("start of %d, want %d", got, pid)
			}

			if status := reap(t, pid); status.Signal() != end.want {
				t.Errorf("status %v, want %v", status, end.want)
			}

			if _, err := os.Stat(trace); err == nil {
				t.Error("the program has run")
			}
		})
	}
}

// starterIn runs a daemon from a copy of this binary, which it removes.
func starterIn(t *testing.T, dir *os.File, argv ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()

	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)

	binary := filepath.Join(t.TempDir(), "starter")
	file, err := os.OpenFile(binary, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)

	_, err = file.Write(self)
	must(t, err)
	must(t, file.Close())

	var out bytes.Buffer

	cmd := exec.CommandContext(t.Context(), binary, append([]string{starterArg, dir.Name()}, argv...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second

	// Another test may fork while the file is open for writing.
	eventually(t, "it starts", func() bool {
		err := cmd.Start()
		if err != nil && !errors.Is(err, unix.ETXTBSY) {
			t.Fatal(err)
		}

		return err == nil
	})

	return cmd, &out
}

// A daemon of which the binary was replaced starts its own.
func TestBinaryIsGone(t *testing.T) {
	t.Parallel()

	cmd, out := starterIn(t, directory(t), "/bin/sh", "-c", "cat /proc/self/cgroup")
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "importerd-enter-test-") {
		t.Errorf("%v: %s", err, out)
	}
}

// Where the daemon has died meanwhile, no program comes to be.
func TestOrphan(t *testing.T) {
	t.Parallel()

	trace := filepath.Join(t.TempDir(), "trace")
	dir := directory(t)

	control(t, dir, "cgroup.freeze", "1")

	cmd, _ := starterIn(t, dir, "/bin/sh", "-c", "echo x >"+trace)

	eventually(t, "it enters", func() bool { return len(members(t, dir)) == 1 })
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	control(t, dir, "cgroup.freeze", "0")
	eventually(t, "it ends", func() bool { return len(members(t, dir)) == 0 })

	if _, err := os.Stat(trace); err == nil {
		t.Error("the program has run")
	}
}

// Whoever is not Start is told so, and nothing happens.
func TestMisuse(t *testing.T) {
	t.Parallel()

	r, w, err := os.Pipe()
	must(t, err)

	defer r.Close()
	defer w.Close()

	for _, extra := range [][]*os.File{nil, {w, w, w, w, w}} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Args = []string{enter.Name, "run", "/bin/sh"}
		cmd.ExtraFiles = extra

		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != misused || !strings.Contains(string(out), "for itself alone") {
			t.Errorf("%v: %s", err, out)
		}
	}

	if enter.Wanted(nil) || enter.Wanted([]string{"importerd", enter.Name}) {
		t.Error("it is wanted by accident")
	}
}

// BenchmarkStart is what entering costs over the kernel's own way.
func BenchmarkStart(b *testing.B) {
	path := needs(b, "true")
	dir := directory(b)
	attr := &syscall.ProcAttr{Env: os.Environ(), Sys: &syscall.SysProcAttr{Setpgid: true}}

	for name, how := range map[string]start{"entering": enter.Start, "by the kernel": byTheKernel} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				pid, err := how(int(dir.Fd()), path, []string{path}, attr)
				must(b, err)
				reap(b, pid)
			}
		})
	}
}
