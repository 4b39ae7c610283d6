package command

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// run is one process from its start to the end of its tree.
type run struct {
	base

	argv []string
	env  []string

	stdin   func() (int, error) // opens what becomes standard input; closed after the start; nil: nothing is read
	output  recorder
	reports listener // nil: no descriptor 3
	lock    *os.File // descriptor 4; nil: none

	kill    <-chan struct{} // closed by the caller; nil: never
	freeze  <-chan bool     // sent by the caller; nil: never
	started func(pid int)
	name    string // of the cgroup

	tree tree
	pool sync.WaitGroup // the goroutines of this run
}

// recorder takes what a process writes on its standard output and error.
type recorder interface {
	// take is for pipe.pump.
	take(b []byte) time.Time
	// finish returns the last lines, after all was taken.
	finish() []byte
}

// listener takes what a process writes on descriptor 3.
type listener interface {
	// take is for pipe.pump.
	take(b []byte) time.Time
	// over hears that nobody can write any more; the process may live.
	over()
	// finish returns the wait that the process asked for, after all was taken.
	finish() time.Duration
}

// do runs the process. When it returns, no goroutine and no descriptor of the
// run is left.
func (r *run) do(ctx context.Context) job.Exit {
	if err := r.unwanted(ctx); err != nil {
		return job.Exit{Code: -1, Err: err}
	}

	begin := time.Now()

	pipes, err := r.start()
	if err != nil {
		return job.Exit{Code: -1, Err: err, Took: time.Since(begin)}
	}

	r.freezePending()

	if r.started != nil {
		r.started(r.tree.pgid)
	}

	waitErr := r.await(ctx, pipes)
	exit := job.Exit{Code: -1, Took: time.Since(begin)}

	// Whoever is left holds the job's file, its output and its lock.
	r.tree.end()
	setStatus(&exit, &r.tree, waitErr)
	r.tree.settle()
	r.account(&exit)

	for _, p := range pipes {
		p.finish()
	}

	r.pool.Wait()
	r.drain(pipes)
	r.conclude(&exit)

	return exit
}

// unwanted says why the process need not be started any more.
func (r *run) unwanted(ctx context.Context) error {
	select {
	case <-r.kill:
		return ErrKilled
	default:
	}

	return context.Cause(ctx)
}

// start starts the process and returns the pipes from it: of its output, and
// of its reports if they are asked for.
func (r *run) start() ([]*pipe, error) {
	program, err := r.find()
	if err != nil {
		return nil, err
	}

	stdin := int(r.null.Fd())

	if r.stdin != nil {
		if stdin, err = r.stdin(); err != nil {
			return nil, err
		}
		defer func() { _ = unix.Close(stdin) }()
	}

	pipes, err := r.openPipes()
	if err != nil {
		return nil, err
	}

	if err := r.exec(program, stdin, pipes); err != nil {
		discard(pipes)

		return nil, err
	}

	for _, p := range pipes {
		p.release()
	}

	return pipes, nil
}

// openPipes opens the pipes of the run, all or none.
func (r *run) openPipes() ([]*pipe, error) {
	count := 1
	if r.reports != nil {
		count = 2
	}

	pipes := make([]*pipe, 0, count)

	for range count {
		p, err := newPipe()
		if err != nil {
			discard(pipes)

			return nil, err
		}

		pipes = append(pipes, p)
	}

	return pipes, nil
}

// discard closes both ends of pipes of which no process came to be.
func discard(pipes []*pipe) {
	for _, p := range pipes {
		p.release()
		p.close()
	}
}

// exec returns when the program has taken the place of our copy, in its own
// process group and cgroup.
func (r *run) exec(program string, stdin int, pipes []*pipe) error {
	files := []uintptr{uintptr(stdin), uintptr(pipes[0].writer), uintptr(pipes[0].writer)}
	if r.reports != nil {
		files = append(files, uintptr(pipes[1].writer))

		if r.lock != nil {
			files = append(files, r.lock.Fd())
		}
	}

	if err := r.enclose(); err != nil {
		return err
	}

	pid, err := r.launch(program, &syscall.ProcAttr{Dir: r.dir, Env: r.env, Files: files, Sys: r.tree.attributes()})

	runtime.KeepAlive(r.lock)
	runtime.KeepAlive(r.null)

	if err != nil {
		r.tree.release()

		return explain(program, r.dir, err)
	}

	r.tree.adopt(pid)

	// The process has it. Of ours each process would have a copy that is just being started,
	// and who asks at the end whether the lock is free would have to wait for those.
	_ = r.lock.Close() // nil, or only locked

	return nil
}

// pump starts the goroutines that read the pipes.
func (r *run) pump(pipes []*pipe) {
	for _, p := range pipes {
		p.open()
	}

	r.pool.Go(func() { pipes[0].pump(r.output.take) })

	if r.reports != nil {
		r.pool.Go(func() {
			pipes[1].pump(r.reports.take)
			r.reports.over()
		})
	}
}

// drain reads the pipes that nobody has read while the process lived.
func (r *run) drain(pipes []*pipe) {
	pipes[0].drain(r.output.take)

	if r.reports != nil {
		pipes[1].drain(r.reports.take)
	}
}

// setStatus reaps the main process of the tree and puts its status into exit.
func setStatus(exit *job.Exit, t *tree, waitErr error) {
	status, used, err := t.reap()
	exit.CPU = time.Duration(used.Utime.Nano() + used.Stime.Nano())

	switch {
	case waitErr != nil:
		exit.Err = fmt.Errorf("wait for process %d: %w", t.pgid, waitErr)
	case err != nil:
		exit.Err = fmt.Errorf("reap process %d: %w", t.pgid, err)
	case status.Exited():
		exit.Code = status.ExitStatus()
	default:
		exit.Signal = signalName(status.Signal())
	}
}

// signalName returns the name as kill -l knows it; real-time signals have
// numbers only.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}

	return "SIG" + strconv.Itoa(int(sig))
}

// conclude writes out what was held back and puts it into exit.
func (r *run) conclude(exit *job.Exit) {
	exit.Tail = r.output.finish()

	if r.reports != nil {
		exit.RetryAfter = r.reports.finish()
	}
}

// sealDescriptors sees to it that no descriptor with which a careless parent has
// started the daemon reaches a command. Those that the daemon opens itself are
// closed by exec anyway. A kernel that does not know the call is older than 5.11.
func sealDescriptors() {
	_ = unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
}
