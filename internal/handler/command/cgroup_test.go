package command

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"importerd/internal/handler"
	"importerd/internal/handler/cgroup"
	"importerd/internal/job"
)

// grouped returns c with a cgroup in which each run gets one of its own.
func grouped(t testing.TB, c Config) Config {
	t.Helper()

	own, err := cgroup.Own()
	if err != nil {
		t.Skipf("needs cgroups of version 2: %v", err)
	}

	dir, err := os.MkdirTemp(own.Dir, "importerd-command-test-")
	if err != nil {
		t.Skipf("needs a cgroup in which it may make others (be root): %v", err)
	}

	if _, err := os.Stat(filepath.Join(dir, "cgroup.kill")); err != nil {
		_ = os.Remove(dir)

		t.Skipf("needs Linux 5.14: %v", err)
	}

	root, err := cgroup.Hold(dir, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}

	root.Enable()
	root.Enter()

	c.Groups = func() *cgroup.Root { return root }

	t.Cleanup(func() {
		// What was left is tried again; then nothing may be there.
		if err := root.Close(); err != nil {
			t.Error(err)
		}

		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("groups are left: %v", err)
		}
	})

	return c
}

// in a session of its own, a process that says its number as a checkpoint.
const escaped = `setsid sh -c 'trap "" TERM HUP; echo "checkpoint $$" >&3; while :; do sleep 1000; done' & `

// A handler that forks at once has both in the group: there was no moment outside.
func TestCgroupFromTheStart(t *testing.T) {
	t.Parallel()

	c := grouped(t, shell(t, `cat /proc/self/cgroup & wait; echo $$ >/dev/null; exec cat /proc/self/cgroup`))
	task := newTask(t, "a.csv")
	want := "0::" + "/"

	for range 10 {
		_ = os.Remove(task.Log)

		if exit := newHandler(t, c).Run(t.Context(), task); exit.Code != 0 {
			t.Fatalf("exit %+v", exit)
		}

		var seen int

		for line := range strings.Lines(readLog(t, task)) {
			if strings.HasPrefix(line, want) && strings.HasSuffix(line, "/job-"+task.Job.ID.String()+"\n") {
				seen++
			}
		}

		if seen != 2 {
			t.Fatalf("both are not inside: %s", readLog(t, task))
		}
	}

	if names := c.Groups().Names(); len(names) > 0 {
		t.Errorf("left are %v", names)
	}
}

func TestSessionEndsWithItsHandler(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	a := begin(t, grouped(t, shell(t, escaped+`mkfifo told; read x <told; exit 4`)))

	go func() { _ = os.WriteFile(filepath.Join(a.dir, "told"), []byte("x\n"), 0o600) }()

	exit := a.end(t)
	if exit.Code != 4 || exit.Signal != "" || exit.Err != nil {
		t.Errorf("exit %+v, want 4", exit)
	}

	if !isDead(t, a.word) {
		t.Error("what made a session of its own lives on")
	}
}

func TestSessionIsKilled(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	for name, end := range map[string]func(a *attempt){
		"at once":         func(a *attempt) { close(a.kill) },
		"after its grace": func(a *attempt) { a.cancel(handler.ErrTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c := grouped(t, shell(t, `trap "" TERM; `+escaped+patient))
			c.KillAfter = 100 * time.Millisecond
			a := begin(t, c)
			end(a)

			if exit := a.end(t); exit.Signal != "SIGKILL" {
				t.Errorf("exit %+v, want SIGKILL", exit)
			}

			if !isDead(t, a.word) {
				t.Error("what made a session of its own lives on")
			}
		})
	}
}

// All are asked to end, each once: those of the process group and the others.
func TestSessionIsAsked(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	a := begin(t, grouped(t, shell(t, `
		mkfifo child.up session.up
		/proc/`+strconv.Itoa(os.Getpid())+`/exe `+askMe+` child & read x <child.up
		setsid /proc/`+strconv.Itoa(os.Getpid())+`/exe `+askMe+` session & read x <session.up
		trap : TERM
		echo "checkpoint ready" >&3
		until [ -e child ] && [ -e session ]; do sleep 0.01; done; exit 5`)))
	a.cancel(handler.ErrStop)

	exit := a.end(t)
	log := readLog(t, a.task)

	if exit.Code != 5 || strings.Count(log, "child was asked\n") != 1 || strings.Count(log, "session was asked\n") != 1 {
		t.Errorf("exit %+v, log %q", exit, log)
	}
}

// frozen waits until the kernel says that the run stands, or that it does not.
func (a *attempt) frozen(t *testing.T, c Config, want bool) {
	t.Helper()

	path := filepath.Join(c.Groups().Path(), cgroup.JobPrefix+a.task.Job.ID.String(), "cgroup.events")

	eventually(t, "frozen or not", func() bool {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}

		return strings.Contains(string(text), "frozen 1") == want
	})
}

// Nobody gets away, and nobody notices: neither a parent, nor who asked for SIGCONT.
func TestFreezeCgroup(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	c := grouped(t, shell(t, `
		setsid sh -c 'trap "echo noticed" CONT; echo $$ >told; mv told child; while :; do echo x >>b; done' &
		while ! [ -e child ]; do :; done
		trap "echo noticed" CONT
		echo "checkpoint $(cat child)" >&3
		while :; do echo x >>a; done`))
	a := begin(t, c)

	for range 3 {
		a.send(t, true)
		a.send(t, true)
		a.frozen(t, c, true)

		before := sizes(t, c.Dir)

		a.send(t, true)

		if after := sizes(t, c.Dir); after != before {
			t.Errorf("counted from %d to %d while frozen", before, after)
		}

		a.send(t, false)
		a.send(t, false)
		a.frozen(t, c, false)
		eventually(t, "both go on", func() bool {
			after := sizes(t, c.Dir)

			return after[0] > before[0] && after[1] > before[1]
		})
	}

	a.send(t, true)
	a.frozen(t, c, true)
	a.cancel(handler.ErrTerminate)

	if exit := a.end(t); exit.Signal != "SIGTERM" {
		t.Errorf("exit %+v, want SIGTERM", exit)
	}

	// The SIGCONT at the end comes with the request to end, which comes first.
	if log := readLog(t, a.task); strings.Contains(log, "noticed") || !isDead(t, a.word) {
		t.Errorf("log %q, the other is dead: %v", log, isDead(t, a.word))
	}
}

func TestFrozenCgroupIsKilled(t *testing.T) {
	t.Parallel()

	c := grouped(t, shell(t, `trap "" TERM; echo "checkpoint $$" >&3; while :; do :; done`))
	a := begin(t, c)
	a.send(t, true)
	a.frozen(t, c, true)
	close(a.kill)

	if exit := a.end(t); exit.Signal != "SIGKILL" {
		t.Errorf("exit %+v, want SIGKILL", exit)
	}
}

// A handler that stopped itself, and one that is frozen besides, goes on and ends.
func TestFrozenCgroupObeysItsEnd(t *testing.T) {
	t.Parallel()

	c := grouped(t, shell(t, `trap "exit 75" TERM; echo "checkpoint $$" >&3; kill -STOP $$; while :; do :; done`))
	a := begin(t, c)
	eventually(t, "stopped", func() bool { return state(t, a.word) == "T" })
	a.send(t, true)
	a.frozen(t, c, true)
	a.cancel(handler.ErrStop)

	if exit := a.end(t); exit.Code != 75 {
		t.Errorf("exit %+v, want 75", exit)
	}
}

func TestUsageIsRecorded(t *testing.T) {
	t.Parallel()

	const busy = `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done`

	for name, c := range map[string]Config{
		"cgroup": grouped(t, shell(t, busy)), "process group": shell(t, busy),
	} {
		exit := newHandler(t, c).Run(t.Context(), newTask(t, "a.csv"))
		if exit.Code != 0 || exit.CPU <= 0 || exit.CPU > longWait || exit.OOM != "" {
			t.Errorf("%s: exit %+v", name, exit)
		}
	}
}

// What nobody waits for counts, too.
func TestUsageOfAll(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	c := grouped(t, shell(t, `
		mkfifo told
		setsid sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo >told; exec sleep 1000' &
		read x <told; exit 0`))

	exit := newHandler(t, c).Run(t.Context(), newTask(t, "a.csv"))
	if exit.Code != 0 || exit.CPU < 20*time.Millisecond {
		t.Errorf("exit %+v", exit)
	}
}

// limited is grouped, where there is the controller for it.
func limited(t *testing.T, c Config, l cgroup.Limits) Config {
	t.Helper()

	c = grouped(t, c)
	c.Limits = l

	if err := c.Groups().Unmet(l); err != nil {
		t.Skipf("needs a controller in a cgroup of version 2: %v", err)
	}

	return c
}

func TestOutOfMemory(t *testing.T) {
	t.Parallel()

	c := limited(t, shell(t, `tail /dev/zero; echo went on`), cgroup.Limits{Memory: 64 << 20})
	task := newTask(t, "a.csv")

	exit := newHandler(t, c).Run(t.Context(), task)
	if exit.Signal != "SIGKILL" || exit.OOM != "out of memory, limit 64M" || readLog(t, task) != "" {
		t.Errorf("exit %+v, log %q", exit, readLog(t, task))
	}

	if exit.MaxMemory < 32<<20 || exit.MaxMemory > 65<<20 {
		t.Errorf("it had %d bytes", exit.MaxMemory)
	}
}

func TestPeakMemory(t *testing.T) {
	t.Parallel()

	c := limited(t, shell(t, `head -c 20000000 /dev/zero | tail | wc -c`), cgroup.Limits{Memory: 512 << 20})

	exit := newHandler(t, c).Run(t.Context(), newTask(t, "a.csv"))
	if exit.Code != 0 || exit.OOM != "" || exit.MaxMemory < 20_000_000 || exit.MaxMemory > 512<<20 {
		t.Errorf("exit %+v", exit)
	}
}

func TestCgroupOfNoStart(t *testing.T) {
	t.Parallel()

	c := grouped(t, config(t, "/no/such"))

	exit := newHandler(t, c).Run(t.Context(), newTask(t, "a.csv"))
	if !errors.Is(exit.Err, unix.ENOENT) {
		t.Errorf("exit %+v", exit)
	}

	if names := c.Groups().Names(); len(names) > 0 {
		t.Errorf("left are %v", names)
	}
}

// While something of an earlier attempt lives, there is no second one.
func TestCgroupIsTaken(t *testing.T) {
	t.Parallel()

	c := grouped(t, shell(t, `echo "checkpoint $$" >&3; `+patient))
	a := begin(t, c)

	exit := newHandler(t, c).Run(t.Context(), a.task)
	if !errors.Is(exit.Err, unix.EAGAIN) || exit.Code != -1 {
		t.Errorf("exit %+v, want EAGAIN", exit)
	}

	close(a.kill)
	a.end(t)
}

func TestNotifierHasACgroup(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	c := grouped(t, config(t, "sh", "-c", `
		mkfifo told
		setsid sh -c 'trap "" TERM HUP; echo $$ >told; while :; do sleep 1000; done' &
		read pid <told; echo $pid; cat /proc/self/cgroup`))

	n, err := NewNotifier(c)
	if err != nil {
		t.Fatal(err)
	}

	notice := Notice{Job: job.Record{ID: job.NewID()}, Log: filepath.Join(t.TempDir(), "log")}
	if err := n.Notify(t.Context(), notice); err != nil {
		t.Fatal(err)
	}

	text, err := os.ReadFile(notice.Log)
	if err != nil {
		t.Fatal(err)
	}

	log := string(text)
	pid, _, _ := strings.Cut(strings.TrimSpace(log), "\n")

	if !strings.Contains(log, "/note-"+notice.Job.ID.String()+"\n") || !isDead(t, strings.TrimSpace(pid)) {
		t.Errorf("log %q", log)
	}
}

// Somebody removes cgroups under our hands: each attempt goes well all the same.
func TestCgroupIsRemoved(t *testing.T) {
	t.Parallel()

	c := grouped(t, shell(t, "exit 7"))
	h := newHandler(t, c)
	over := make(chan struct{})

	var wg sync.WaitGroup

	wg.Go(func() {
		for {
			for _, name := range c.Groups().Names() {
				_ = os.Remove(filepath.Join(c.Groups().Path(), name))
			}

			select {
			case <-over:
				return
			default:
			}
		}
	})

	for range 100 {
		if exit := h.Run(t.Context(), newTask(t, "a.csv")); exit.Code != 7 || exit.Err != nil {
			t.Errorf("exit %+v, want 7", exit)
		}
	}

	close(over)
	wg.Wait()

	// And all of it.
	if err := os.Remove(c.Groups().Path()); err != nil {
		t.Fatal(err)
	}

	if exit := h.Run(t.Context(), newTask(t, "a.csv")); exit.Code != 7 || exit.Err != nil {
		t.Errorf("exit %+v, want 7", exit)
	}
}

func TestManyCgroupsAtOnce(t *testing.T) {
	t.Parallel()

	c := grouped(t, shell(t, `(sleep 1000 & sleep 1000 & sleep 1000 &); cat /proc/self/cgroup; exit 7`))
	h := newHandler(t, c)

	var wg sync.WaitGroup
	defer wg.Wait()

	for range 20 {
		wg.Go(func() {
			for range 3 {
				task := newTask(t, "a.csv")
				exit := h.Run(t.Context(), task)

				if log := readLog(t, task); exit.Code != 7 || !strings.Contains(log, task.Job.ID.String()) {
					t.Errorf("exit %+v, log %q", exit, log)
				}
			}
		})
	}
}
