// Command importerd makes a directory a dependable job queue. Signals, options,
// environment and exit codes are this package's business and nobody else's;
// each subcommand has a file of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"importerd/internal/handler/enter"
	"importerd/internal/systemd"
)

// program is one run of the command line: what the process was given.
type program struct {
	args       []string
	environ    []string // for handlers, without what the supervisor meant for us
	stdin      io.Reader
	stdout     io.Writer
	stderr     *os.File
	supervisor systemd.Env
	sockets    []net.Listener // that the supervisor hands over
	warning    error          // what is wrong with what the supervisor gave; nil: nothing
	output     string         // how results are printed: text or json
	native     bool           // the daemon's log goes to systemd's journal with all its fields
}

func main() { os.Exit(run()) }

// run is main, with an exit code. Nothing has started before it.
func run() int {
	if enter.Wanted(os.Args) { // a step on the way to a command, not us
		if err := enter.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "importerd:", err)
		}

		return codeUsage
	}

	p := &program{args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}

	if p.isFirst() {
		status, err := p.beFirst()
		if err == nil {
			return status
		}

		p.warning = err // it still can do the work, and leaves zombies
	}

	p.take()

	return p.run(context.Background())
}

// take takes what the service manager has given.
func (p *program) take() {
	p.warning = errors.Join(p.warning, takeOver())

	var err, sockErr error

	p.supervisor, err = systemd.TakeEnv()
	p.sockets, sockErr = systemd.TakeSockets()
	p.environ = os.Environ() // without what was meant for us
	p.warning = errors.Join(p.warning, err, sockErr)
}

// run does what the command line says and tells what went wrong.
func (p *program) run(ctx context.Context) int {
	root := p.root() //nolint:contextcheck // the context comes with ExecuteContext
	root.SetArgs(p.args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)

	if err := root.ExecuteContext(ctx); err != nil {
		p.refuse(err)

		return p.tell(err)
	}

	return codeOK
}
