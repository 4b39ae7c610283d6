// Package command runs a user's command once per file, without a shell.
//
// A run gives the command /dev/null as standard input, one pipe as standard
// output and error, a pipe for reports as descriptor 3, the job's lock as
// descriptor 4, a process group of its own, and nothing else of the daemon's.
// The run is over when the command's main process has ended; whatever is left
// of its cgroup, or of its process group where there are no cgroups, is then
// killed at once, and nobody who still holds a pipe open can delay the outcome.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"importerd/internal/handler"
	"importerd/internal/handler/cgroup"
	"importerd/internal/job"
)

// placeholder stands for the file's path in an argument.
const placeholder = "{}"

// ErrKilled says that the caller wanted the attempt killed before it began.
var ErrKilled = errors.New("killed before it was started")

// Config is what New needs to know. It is not changed afterwards.
type Config struct {
	// Command is the program and its arguments. Each {} in an argument, also
	// inside of one, becomes the path of the file; without any {} the path is
	// appended. The program itself may hold none. One without a slash is looked
	// up in the PATH of the command's own environment at each run, as it may be
	// installed later; a relative path with a slash is meant from the daemon's
	// working directory at the time of New.
	Command []string

	// Env is set over the daemon's environment, and under the job's variables.
	Env map[string]string

	// Groups returns where each run gets a cgroup of its own, so that all that it starts
	// is ended with it, and frozen. It is asked at each run; nil, or an answer of nil: the
	// process group must do.
	Groups func() *cgroup.Root

	// Limits is how much one run may have; where there is no cgroup, or no controller
	// for it, that is not kept.
	Limits cgroup.Limits

	Dir       string        // working directory of the command
	Spool     string        // the spool's name
	KillAfter time.Duration // from SIGTERM to SIGKILL; zero: none
	Environ   []string      // the daemon's own environment, as os.Environ gives it
}

// Handler runs one command for many files. What it holds open goes with it: nothing needs
// closing.
type Handler struct {
	base base
}

// New returns a handler for c. It checks only what is written: a program or a
// directory that does not exist is found out at each run.
func New(c Config) (*Handler, error) {
	b, err := newBase(c)
	if err != nil {
		return nil, err
	}

	return &Handler{base: b}, nil
}

// Run does one attempt. An attempt whose ctx is done, or whose Kill is closed,
// before the start is not started: the Exit then holds the cause of ctx, or
// ErrKilled.
func (h *Handler) Run(ctx context.Context, task handler.Task) job.Exit {
	r := run{
		base:    h.base,
		argv:    expand(h.base.command, task.Path),
		env:     h.base.environ(jobVariables(h.base.spool, task)),
		output:  newOutput(attemptLogOf(task)),
		reports: newReports(task.Report),
		lock:    task.Lock,
		kill:    task.Kill,
		freeze:  task.Freeze,
		name:    cgroup.JobPrefix + task.Job.ID.String(),
		started: task.Started,
	}

	return r.do(ctx)
}

// attemptLogOf returns the log of task's job for its attempt.
func attemptLogOf(task handler.Task) attemptLog {
	attempt := task.Job.Attempt

	return attemptLog{path: task.Log, title: "attempt " + strconv.Itoa(attempt), later: attempt > 1}
}

// base is what all runs of one command have in common.
type base struct {
	command   []string
	program   string // absolute path, or a name to be looked up
	path      string // the PATH in which it is looked up
	env       []string
	dir       string
	spool     string
	killAfter time.Duration
	null      *os.File // what commands have as standard input that are to read nothing
	oomScore  bool     // processes are to be marked as the first to go
	groups    func() *cgroup.Root
	limits    cgroup.Limits
}

func newBase(c Config) (base, error) {
	if err := c.check(); err != nil {
		return base{}, err
	}

	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return base{}, fmt.Errorf("working directory %q: %w", c.Dir, err)
	}

	program := c.Command[0]
	if strings.Contains(program, "/") {
		if program, err = filepath.Abs(program); err != nil {
			return base{}, fmt.Errorf("program %q: %w", c.Command[0], err)
		}
	}

	null, err := os.Open(os.DevNull)
	if err != nil {
		return base{}, err //nolint:wrapcheck // it names the path
	}

	sealDescriptors()

	env := baseEnviron(c.Environ, c.Env, dir)

	return base{
		command:   c.Command,
		program:   program,
		path:      env["PATH"],
		env:       environList(env),
		dir:       dir,
		spool:     c.Spool,
		killAfter: c.KillAfter,
		null:      null,
		oomScore:  wantsOOMScore(),
		groups:    c.Groups,
		limits:    c.Limits,
	}, nil
}

// check joins all that is wrong with c.
func (c *Config) check() error {
	var errs []error

	switch {
	case len(c.Command) == 0 || c.Command[0] == "":
		errs = append(errs, errors.New("the command is empty: name a program"))
	case strings.Contains(c.Command[0], placeholder):
		errs = append(errs, fmt.Errorf("the program %q holds %s: only arguments may", c.Command[0], placeholder))
	}

	for _, arg := range c.Command {
		if strings.IndexByte(arg, 0) >= 0 {
			errs = append(errs, fmt.Errorf("argument %q holds a NUL byte: no program can be given one", arg))
		}
	}

	if c.Dir == "" {
		errs = append(errs, errors.New("the working directory is empty: name one"))
	}

	if c.KillAfter < 0 {
		errs = append(errs, fmt.Errorf("the wait from SIGTERM to SIGKILL is %s: it cannot be negative", c.KillAfter))
	}

	return errors.Join(append(errs, checkEnv(c.Env))...)
}

// expand returns the command with path in the place of each placeholder, or
// appended where there is none.
func expand(command []string, path string) []string {
	argv := make([]string, 0, len(command)+1)
	found := false

	for _, arg := range command {
		if strings.Contains(arg, placeholder) {
			arg, found = strings.ReplaceAll(arg, placeholder, path), true
		}

		argv = append(argv, arg)
	}

	if !found {
		argv = append(argv, path)
	}

	return argv
}
