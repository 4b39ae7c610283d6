package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

const (
	patience = 30 * time.Second // how long a script waits for what must come
	limit    = 6 * time.Minute  // how long all of them may take: one that hangs is ended, with its stacks
)

// TestMain makes the program itself a command of the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"importerd": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()

	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(limit),
		Setup:               setup,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"signal":   sendSignal,
			"waitfile": waitFile,
			"waitgrep": waitGrep,
			"waitgone": waitGone,
			"holds":    holds,
			"pidof":    pidOf,
		},
	})
}

// setup takes what the tests were started with out of the scripts' way.
func setup(env *testscript.Env) error {
	env.Setenv("UID", strconv.Itoa(os.Geteuid()))

	for _, name := range []string{
		"NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_USEC", "IMPORTERD_CONFIG", "IMPORTERD_LISTEN", "IMPORTERD_TOKEN_FILE",
	} {
		env.Setenv(name, "")
	}

	return nil
}

// condition knows what a script may need: to be root, and to make a mount.
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Geteuid() == 0, nil
	case "unshare":
		return exec.Command("unshare", "--mount", "mount", "--bind", "/", "/mnt").Run() == nil, nil
	}

	return false, fmt.Errorf("no script knows what %q means", name)
}

// exits runs a command and demands an exit code: exits CODE COMMAND [ARG...].
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}

	want, err := strconv.Atoi(args[0])
	ts.Check(err)

	got := 0

	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError) //nolint:errorlint // as testscript returns it
		if !ok {
			ts.Fatalf("%v", err)
		}

		got = exit.ExitCode()
	}

	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// sendSignal sends a signal to all that run in the background: signal TERM.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signal NAME")
	}

	number := unix.SignalNum("SIG" + args[0])
	if number == 0 {
		ts.Fatalf("no signal %s", args[0])
	}

	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(number))
	}
}

// waitFile waits until there is a file: waitfile PATH.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfile PATH")
	}

	until(ts, args[0]+" is not there", func() bool {
		_, err := os.Lstat(ts.MkAbs(args[0]))

		return err == nil
	})
}

// waitGone waits until no file matches: waitgone GLOB.
func waitGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitgone GLOB")
	}

	until(ts, args[0]+" is still there", func() bool {
		found, err := filepath.Glob(ts.MkAbs(args[0]))

		return err == nil && len(found) == 0
	})
}

// waitGrep waits until a file has a line that matches: waitgrep FILE REGEXP.
func waitGrep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitgrep FILE REGEXP")
	}

	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)

	until(ts, args[0]+" has no "+args[1], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))

		return err == nil && pattern.Match(text)
	})
}

// until looks again and again until ok says so.
func until(ts *testscript.TestScript, otherwise string, ok func() bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()

	deadline := time.After(patience)

	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("after %v %s", patience, otherwise)
		}
	}
}

// holds demands that a directory has exactly these entries, but for hidden ones:
// holds DIR [NAME...].
func holds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: holds DIR [NAME...]")
	}

	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)

	missing := map[string]bool{}
	for _, name := range args[1:] {
		missing[name] = true
	}

	for _, entry := range entries {
		if !missing[entry.Name()] && entry.Name()[0] != '.' {
			ts.Fatalf("%s holds %q", args[0], entry.Name())
		}

		delete(missing, entry.Name())
	}

	for name := range missing {
		ts.Fatalf("%s does not hold %q", args[0], name)
	}
}

// pidOf sets a variable to the process number of what runs in the background:
// pidof VARIABLE.
func pidOf(ts *testscript.TestScript, neg bool, args []string) {
	cmds := ts.BackgroundCmds()
	if neg || len(args) != 1 || len(cmds) != 1 {
		ts.Fatalf("usage: pidof VARIABLE, with one command in the background")
	}

	ts.Setenv(args[0], strconv.Itoa(cmds[0].Process.Pid))
}
