// Package container_test shows that the daemon does in a container what docs/containers.md
// says: as process 1, in an image that holds nothing but the program, on a root that
// cannot be written to. No container engine is needed: namespaces are made by `contain`.
// Where there can be none, the tests skip and say why.
package container_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long what must come may take on a busy machine.
const patience = 2 * time.Minute

// programVar is where the tests find the program: static, as in an image.
const programVar = "CONTAINER_PROGRAM"

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "importerd-container-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system clears it too

	program := filepath.Join(dir, "importerd")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "importerd/cmd/importerd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")

	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)

		return 1
	}

	if err := os.Setenv(programVar, program); err != nil {
		panic(err)
	}

	return m.Run()
}

// text is what a process has written so far.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.b.Write(p)
}

func (w *text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()

	return w.b.String()
}

// container is a running importerd that is process 1 of its namespace.
type container struct {
	*testing.T
	cmd   *exec.Cmd
	env   []string // for what runs inside besides
	first int      // process 1, as it is called outside
	log   text
	ended chan struct{} // closed when all is over
}

// start starts a command that makes a container.
func start(t *testing.T, cmd *exec.Cmd) *container {
	t.Helper()

	c := &container{T: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr, cmd.Stdout = &c.log, &c.log
	// Were we killed, it would live on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	go func() {
		_ = cmd.Wait() // how it has ended stands in cmd

		close(c.ended)
	}()

	t.Cleanup(func() {
		// One that has become another user does not end with its parent.
		for _, pid := range append(children(cmd.Process.Pid), cmd.Process.Pid) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}

		<-c.ended
	})

	c.await("process 1", c.find)

	return c
}

// find looks for process 1: the child of unshare that has a child of its own, which
// is the daemon, and becomes the program in the end.
func (c *container) find() bool {
	for _, pid := range children(c.cmd.Process.Pid) {
		if len(children(pid)) > 0 && strings.HasPrefix(read(fmt.Sprintf("/proc/%d/comm", pid)), "importerd") {
			c.first = pid
		}
	}

	return c.first != 0
}

// daemon returns the process that does the work.
func (c *container) daemon() int {
	c.Helper()

	for _, pid := range children(c.first) {
		if strings.HasPrefix(read(fmt.Sprintf("/proc/%d/comm", pid)), "importerd") {
			return pid
		}
	}

	c.Fatal("no daemon")

	return 0
}

// children returns the children of a process: of each of its threads.
func children(pid int) []int {
	var all []int

	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is right

	for _, path := range threads {
		for field := range strings.FieldsSeq(read(path)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, child)
			}
		}
	}

	return all
}

// read returns what a file of /proc holds; nothing, if the process has gone.
func read(path string) string {
	content, _ := os.ReadFile(path)

	return string(content)
}

// await waits until something is so.
func (c *container) await(what string, so func() bool) {
	c.Helper()

	deadline := time.NewTimer(patience)
	defer deadline.Stop()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()

	for !so() {
		select {
		case <-c.ended:
			if !so() {
				c.Fatalf("%s: it has ended with %v\n%s", what, c.cmd.ProcessState, c.tail())
			}
		case <-deadline.C:
			c.Fatalf("%s: not in time\n%s", what, c.tail())
		case <-tick.C:
		}
	}
}

// tail returns the end of the log.
func (c *container) tail() string {
	log := c.log.String()

	return log[max(0, len(log)-4000):]
}

// logged waits for a line of the log.
func (c *container) logged(part string) {
	c.Helper()
	c.await(part, func() bool { return strings.Contains(c.log.String(), part) })
}

// send sends a signal to process 1, as an engine does.
func (c *container) send(sig unix.Signal) {
	c.Helper()

	if err := unix.Kill(c.first, sig); err != nil {
		c.Fatal(err)
	}
}

// wants waits for the end, which must come with an exit code.
func (c *container) wants(code int) {
	c.Helper()
	c.await("the end", func() bool {
		select {
		case <-c.ended:
			return true
		default:
			return false
		}
	})

	if got := c.cmd.ProcessState.ExitCode(); got != code {
		c.Errorf("exit code %d, want %d\n%s", got, code, c.log.String())
	}
}

// isolated skips a test where there can be no container.
func isolated(t *testing.T) {
	t.Helper()

	if os.Geteuid() != 0 {
		t.Skip("a container needs root")
	}

	if out, err := exec.Command("unshare", "--pid", "--mount", "--fork", "mount", "-t", "proc", "proc", "/proc").
		CombinedOutput(); err != nil {
		t.Skipf("this machine allows no container: %s", out)
	}
}
