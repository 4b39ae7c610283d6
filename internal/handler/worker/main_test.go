package worker_test

import (
	"bufio"
	"context"
	"encoding/json"
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

	"github.com/rs/zerolog"

	"importerd/internal/handler"
	"importerd/internal/handler/command"
	"importerd/internal/handler/worker"
	"importerd/internal/job"
	"importerd/internal/spool"
)

// must is how long what must happen may take.
const must = time.Minute

// TestMain lets the test be a worker itself: then its first argument says so.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "be-a-worker" {
		newPuppet(os.Args[2]).run()
		os.Exit(0)
	}

	if len(os.Args) > 1 && os.Args[1] == "be-an-echo" {
		echo()
		os.Exit(0)
	}

	os.Exit(m.Run())
}

// echo is a worker that does nothing, in no time.
func echo() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.NewFile(3, "answers"))

	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}

		_, _ = fmt.Fprintf(out, "%s\",\"exit\":0}\n", line[:len(`{"job":"`)+36])

		if in.Buffered() == 0 {
			_ = out.Flush()
		}
	}
}

// puppet is a worker that does what the names of its jobs say. Each word of a name is
// an order.
type puppet struct {
	dir     string // for what it leaves
	mu      sync.Mutex
	answers *os.File
	waiting map[string]chan struct{} // jobs that can be cancelled
}

// request is what a worker is given.
type request struct {
	Job, File, Name, Results, Checkpoint string
	FileB64                              string `json:"file_b64"`
	NameB64                              string `json:"name_b64"`
	CheckpointB64                        string `json:"checkpoint_b64"`
	Attempt                              int
	Cancel                               bool
}

func newPuppet(dir string) *puppet {
	return &puppet{dir: dir, answers: os.NewFile(3, "answers"), waiting: map[string]chan struct{}{}}
}

func (p *puppet) run() {
	p.leave("started", strconv.Itoa(os.Getpid()))

	defer p.leave("eof", "")

	in := bufio.NewReader(os.Stdin)

	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}

		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			p.leave("garbled", string(line))

			continue
		}

		p.leave("lines", string(line))

		if r.Cancel {
			p.cancel(r.Job)

			continue
		}

		p.mu.Lock()
		p.waiting[r.Job] = make(chan struct{})
		p.mu.Unlock()

		go p.act(r)
	}
}

// leave adds a line to a file of the test's.
func (p *puppet) leave(name, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()

	file, err := os.OpenFile(filepath.Join(p.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}

	if _, err := file.WriteString(strings.TrimSuffix(text, "\n") + "\n"); err != nil {
		panic(err)
	}

	_ = file.Close()
}

func (p *puppet) cancel(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if c := p.waiting[id]; c != nil {
		close(c) // it comes once
	}
}

func (p *puppet) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()

	_, _ = fmt.Fprintf(p.answers, format+"\n", args...)
}

// act obeys the name of a job.
func (p *puppet) act(r request) {
	for order := range strings.FieldsSeq(r.Name) {
		verb, value, _ := strings.Cut(order, "=")
		number, _ := strconv.Atoi(value)

		switch verb {
		case "exit":
			p.say(`{"job":%q,"exit":%d}`, r.Job, number)
		case "say":
			p.say("%s", strings.ReplaceAll(strings.ReplaceAll(value, "JOB", r.Job), "~", " "))
		case "print":
			_, _ = os.Stdout.WriteString(strings.Repeat("x", number) + "\n")
		case "die":
			os.Exit(number)
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "await": // until a file is there
			for {
				if _, err := os.Stat(filepath.Join(p.dir, value)); err == nil {
					break
				}

				<-time.After(time.Millisecond)
			}
		case "hang":
			select {}
		case "sleep":
			<-time.After(time.Duration(number) * time.Millisecond)
		case "yield": // until it is cancelled
			p.mu.Lock()
			c := p.waiting[r.Job]
			p.mu.Unlock()
			<-c
		case "deaf":
			os.Stdin.Close()
		case "mute":
			p.answers.Close()
		case "child": // it has descriptors 3 and 4, in a session of its own
			child := exec.Command("/bin/sleep", "1000")
			child.ExtraFiles = []*os.File{p.answers, os.NewFile(4, "lock")}
			child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}

			if err := child.Start(); err != nil {
				panic(err)
			}

			p.leave("child", strconv.Itoa(child.Process.Pid))
		}
	}
}

// rig is a handler with real workers.
type rig struct {
	testing.TB

	dir   string
	spool *spool.Spool
	fleet *worker.Fleet
	log   *syncBuffer
	cfg   worker.Config
	locks *holding
	kill  chan struct{}
	*worker.Handler

	killAfter time.Duration
}

// syncBuffer is what was logged.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.text.String()
}

// newRig returns a handler of puppets.
func newRig(t *testing.T, workers, inflight int) *rig {
	t.Helper()

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	return newRigOf(t, workers, inflight, func(dir string) []string { return []string{exe, "be-a-worker", dir} })
}

// newRigOf returns a handler of other programs.
func newRigOf(t testing.TB, workers, inflight int, argv func(dir string) []string) *rig {
	t.Helper()

	r := &rig{TB: t, dir: t.TempDir(), log: &syncBuffer{}, killAfter: must}

	s, err := spool.Open(t.TempDir(), spool.Options{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}

	r.spool, r.kill = s, make(chan struct{})
	r.locks = &holding{s, make(chan bool, 1)}
	r.locks.held <- false
	r.cfg = worker.Config{Workers: workers, Inflight: inflight}
	r.fleet = worker.New(t.Context(), worker.Options{
		Locks: r.locks, Kill: r.kill, Log: zerolog.New(r.log),
		LogPath: func(n int) string { return filepath.Join(r.dir, fmt.Sprintf("worker-%d.log", n)) },
	})
	r.configure(argv(r.dir))

	t.Cleanup(func() {
		work, cancel := context.WithCancel(context.Background())
		cancel()
		r.fleet.Close(work)

		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})

	return r
}

// configure makes the handler.
func (r *rig) configure(argv []string) {
	r.Helper()

	service, err := command.NewService(command.Config{
		Command: argv, Dir: r.dir, Spool: "orders", KillAfter: r.killAfter, Environ: os.Environ(),
	})
	if err != nil {
		r.Fatal(err)
	}

	r.cfg.Service, r.cfg.KillAfter = service, r.killAfter
	r.Handler = r.fleet.Handler(r.cfg)
}

// patient makes the handler again, with another grace.
func (r *rig) grace(d time.Duration) {
	r.Helper()

	exe, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}

	r.killAfter = d
	r.configure([]string{exe, "be-a-worker", r.dir})
}

// task is an attempt on a job of that name.
func (r *rig) task(name string) handler.Task {
	rec := job.Record{ID: job.NewID(), Name: name, File: name, Attempt: 1}

	return handler.Task{
		Job: rec, Path: "/spool/processing/" + name, Log: filepath.Join(r.dir, rec.ID.String()+".log"),
	}
}

// attempt is one that is under way.
type attempt struct {
	task   handler.Task
	cancel context.CancelCauseFunc
	exit   chan job.Exit
}

// begin begins an attempt.
func (r *rig) begin(task handler.Task) *attempt {
	ctx, cancel := context.WithCancelCause(r.Context())
	a := &attempt{task, cancel, make(chan job.Exit, 1)}

	go func() { a.exit <- r.Run(ctx, task) }()

	return a
}

// does runs an attempt on a job of that name to its end.
func (r *rig) does(name string) job.Exit {
	r.Helper()

	return r.end(r.begin(r.task(name)))
}

// end waits for the end of an attempt.
func (r *rig) end(a *attempt) job.Exit {
	r.Helper()

	select {
	case exit := <-a.exit:
		return exit
	case <-time.After(must):
		r.Fatalf("no end of %q; log: %s", a.task.Job.Name, r.log)

		return job.Exit{}
	}
}

// exits runs an attempt that must end with a code.
func (r *rig) exits(name string, code int) {
	r.Helper()

	if exit := r.does(name); exit.Code != code || exit.Err != nil {
		r.Errorf("%q ended with %+v, want exit %d", name, exit, code)
	}
}

// until waits for a condition.
func (r *rig) until(what string, f func() bool) {
	r.Helper()

	for deadline := time.Now().Add(must); !f(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("never: %s; log: %s", what, r.log)
		}
	}
}

// lines returns what workers have left in a file.
func (r *rig) lines(name string) []string {
	r.Helper()

	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		return nil
	}

	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// let makes a file for which jobs wait.
func (r *rig) let(name string) {
	r.Helper()

	if err := os.WriteFile(filepath.Join(r.dir, name), nil, 0o600); err != nil {
		r.Fatal(err)
	}
}

// taken waits until workers have read so many lines.
func (r *rig) taken(n int) {
	r.Helper()
	r.until(fmt.Sprintf("%d lines read", n), func() bool { return len(r.lines("lines")) >= n })
}

// started returns how many workers have been started.
func (r *rig) started() int { return len(r.lines("started")) }
