package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// handler is what a worker does with a file.
type handler interface {
	handle(path, name string) error
	close() error
}

func (l *loop) handler() (handler, error) {
	switch {
	case l.note != "":
		return newNote(l.note)
	case len(l.command) == 0:
		return nothing{}, nil
	case l.ask:
		return ask(l.command)
	default:
		return newCommand(l.command)
	}
}

// nothing is the handler that does nothing.
type nothing struct{}

func (nothing) handle(string, string) error { return nil }
func (nothing) close() error                { return nil }

// note notes each file in the form of the benchmark's handler.
type note struct{ file *os.File }

func newNote(path string) (handler, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open notes: %w", err)
	}

	return note{f}, nil
}

func (n note) handle(_, name string) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("read clock: %w", err)
	}

	if _, err := fmt.Fprintf(n.file, "%s %d 0\n", name, now.Nano()); err != nil {
		return fmt.Errorf("note: %w", err)
	}

	return nil
}

func (n note) close() error {
	n.file.Close()

	return nil
}

// command runs a command for each file, its path appended.
type command struct {
	path string
	args []string
	null *os.File
}

func newCommand(args []string) (handler, error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, fmt.Errorf("find command: %w", err)
	}

	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open null device: %w", err)
	}

	return command{path, args, null}, nil
}

func (c command) handle(path, _ string) error {
	args := append(slices.Clip(c.args), path)

	p, err := os.StartProcess(c.path, args, &os.ProcAttr{Files: []*os.File{c.null, c.null, c.null}})
	if err != nil {
		return fmt.Errorf("start command: %w", err)
	}

	state, err := p.Wait()
	if err != nil {
		return fmt.Errorf("wait for command: %w", err)
	}

	if !state.Success() {
		return errors.New("command: " + state.String())
	}

	return nil
}

func (c command) close() error {
	c.null.Close()

	return nil
}

// coprocess asks a process that lives as long as the worker, one line at a time.
type coprocess struct {
	process *exec.Cmd
	stdin   io.WriteCloser
	answers *bufio.Reader
}

func ask(args []string) (handler, error) {
	theirs, ours, err := pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()

	c := &coprocess{process: exec.Command(args[0], args[1:]...), answers: bufio.NewReader(ours)}

	c.process.ExtraFiles = []*os.File{theirs}
	c.process.Stderr = os.Stderr

	if c.stdin, err = c.process.StdinPipe(); err != nil {
		return nil, fmt.Errorf("open pipe: %w", err)
	}

	if err := c.process.Start(); err != nil {
		return nil, fmt.Errorf("start co-process: %w", err)
	}

	return c, nil
}

// pipe returns the end to write and the end to read.
func pipe() (*os.File, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("open pipe: %w", err)
	}

	return w, r, nil
}

func (c *coprocess) handle(path, name string) error {
	line := `{"job":"` + name + `","file":"` + path + `","name":"` + name + `","attempt":1}` + "\n"
	if _, err := io.WriteString(c.stdin, line); err != nil {
		return fmt.Errorf("ask co-process: %w", err)
	}

	answer, err := c.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("hear co-process: %w", err)
	}

	if !strings.Contains(answer, `"exit":0`) {
		return errors.New("co-process: " + answer)
	}

	return nil
}

func (c *coprocess) close() error {
	c.stdin.Close()

	if err := c.process.Wait(); err != nil {
		return fmt.Errorf("end co-process: %w", err)
	}

	return nil
}
