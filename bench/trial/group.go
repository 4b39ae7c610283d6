package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// group is the running programs of a contender: a pipeline whose members the
// trial starts itself, so that the kernel accounts for each of them.
type group struct {
	members []*exec.Cmd
	ended   chan struct{} // closed when all have ended
	err     error         // of the last member; valid after ended
	log     *daemonLog    // nil if the contender tells nothing
	alone   bool          // it sees itself to the end of what it has started
}

// start starts the programs. They are killed when ctx ends.
func start(ctx context.Context, c Contender, p Place) (*group, error) {
	commands, err := c.Command(p)
	if err != nil {
		return nil, err
	}

	g := &group{ended: make(chan struct{}), alone: c.Tells && len(p.Under) == 0}

	var input *os.File

	for i, args := range commands {
		if c.Tells {
			args = append(slices.Clip(p.Under), args...)
		}

		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = p.Inbox()
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

		if c.Tells && p.Profile != "" {
			cmd.Env = append(os.Environ(), "BENCH_PROFILE="+p.Profile)
		}

		if input != nil {
			cmd.Stdin = input
		}

		if input, err = g.launch(cmd, c, p, i < len(commands)-1); err != nil {
			g.kill()

			return nil, err
		}
	}

	go g.wait()

	return g, nil
}

// launch starts one program and returns where its output can be read, if another
// one is to do so.
func (g *group) launch(cmd *exec.Cmd, c Contender, p Place, piped bool) (*os.File, error) {
	output, err := os.OpenFile(filepath.Join(p.Logs, c.Name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer output.Close()

	cmd.Stdout, cmd.Stderr = output, output

	if c.Tells {
		var w *os.File
		if g.log, w, err = newDaemonLog(); err != nil {
			return nil, err
		}
		defer w.Close()

		cmd.Stderr = w
	}

	var next *os.File

	if piped {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("open pipe: %w", err)
		}
		defer w.Close()

		cmd.Stdout, next = w, r
	}

	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}

	if f, ok := cmd.Stdin.(*os.File); ok {
		f.Close()
	}

	g.members = append(g.members, cmd)

	return next, nil
}

func (g *group) wait() {
	for _, cmd := range g.members {
		g.err = cmd.Wait()
	}

	close(g.ended)
}

// stop asks those that have not ended to do so, and waits for them.
func (g *group) stop() error {
	for _, cmd := range g.members {
		if g.alone {
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		} else {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // shells, perf and the like do not hand it on
		}
	}

	select {
	case <-g.ended:
	case <-time.After(time.Minute):
		g.kill()
		<-g.ended

		return errors.New("did not end when it was asked to")
	}

	return nil
}

func (g *group) kill() {
	for _, cmd := range g.members {
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		}
	}
}
