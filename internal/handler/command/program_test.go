package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"importerd/internal/job"
)

// writeProgram writes a file at path. No process may be forked meanwhile: its
// copy of the open descriptor would make the program busy.
func writeProgram(t testing.TB, path, content string, mode os.FileMode) string {
	t.Helper()

	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()

	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}

	return path
}

func run1(t *testing.T, c Config) job.Exit {
	t.Helper()

	task := newTask(t, "a.csv")
	task.Started = func(int) { t.Error("started") }
	exit := newHandler(t, c).Run(t.Context(), task)

	if log := readLog(t, task); log != "" {
		t.Errorf("log of a command that was not started: %q", log)
	}

	return exit
}

func TestNotToBeStarted(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	script := "#!/bin/sh\nexit 0\n"

	tests := []struct {
		name  string
		c     Config
		errno syscall.Errno
		text  []string
	}{
		{"missing", config(t, path("none")), syscall.ENOENT, []string{`program "` + path("none") + `": no such file`}},
		{"missing in PATH", config(t, "no-such-program"), syscall.ENOENT, []string{`"no-such-program" in PATH "`}},
		{
			"not executable", config(t, writeProgram(t, path("plain"), script, 0o644)), syscall.EACCES,
			[]string{"not executable"},
		},
		{"directory", config(t, dir), syscall.EACCES, []string{"program"}},
		{"below a file", config(t, path("plain")+"/x"), syscall.ENOTDIR, []string{"program"}},
		{
			"no #! line", config(t, writeProgram(t, path("bare"), "exit 0\n", 0o755)), syscall.ENOEXEC,
			[]string{"without a #! line?"},
		},
		{
			"empty", config(t, writeProgram(t, path("empty"), "", 0o755)), syscall.ENOEXEC,
			[]string{"without a #! line?"},
		},
		{
			"missing interpreter", config(t, writeProgram(t, path("odd"), "#!/no/such -x\n", 0o755)), syscall.ENOENT,
			[]string{`interpreter may be missing: "/no/such"`},
		},
		{
			"script with carriage returns", config(t, writeProgram(t, path("dos"), "#! /bin/sh\r\nexit\r\n", 0o755)),
			syscall.ENOENT,
			[]string{`interpreter may be missing: "/bin/sh\r"`},
		},
		{
			"missing working directory", in(config(t, "true"), path("nowhere")), syscall.ENOENT,
			[]string{`working directory "` + path("nowhere") + `": no such file`},
		},
		{
			"working directory is a file", in(config(t, "true"), path("plain")), syscall.ENOTDIR,
			[]string{"working directory", "not a directory"},
		},
	}
	for _, tt := range tests {
		exit := run1(t, tt.c)
		if exit.Code != -1 || exit.Signal != "" || !errors.Is(exit.Err, tt.errno) {
			t.Errorf("%s: exit %+v, want %v", tt.name, exit, tt.errno)

			continue
		}

		for _, text := range tt.text {
			if !strings.Contains(exit.Err.Error(), text) {
				t.Errorf("%s: %v, want %q in it", tt.name, exit.Err, text)
			}
		}
	}
}

// in returns c with another working directory.
func in(c Config, dir string) Config {
	c.Dir = dir

	return c
}

func TestProgramStillBeingWritten(t *testing.T) {
	t.Parallel()

	path := writeProgram(t, filepath.Join(t.TempDir(), "busy"), "#!/bin/sh\nexit 0\n", 0o755)

	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	exit := newHandler(t, config(t, path)).Run(t.Context(), newTask(t, "a.csv"))
	if exit.Code == 0 {
		t.Skip("this kernel lets programs run while they are written")
	}

	if !errors.Is(exit.Err, syscall.ETXTBSY) {
		t.Errorf("exit %+v, want ETXTBSY", exit)
	}
}

func TestProgramIsLookedUpAtEachRun(t *testing.T) {
	t.Parallel()

	one, two := t.TempDir(), t.TempDir()
	c := config(t, "tool")
	c.Env = map[string]string{"PATH": one + ":" + two}
	h := newHandler(t, c)
	run := func() job.Exit { return h.Run(t.Context(), newTask(t, "a.csv")) }

	if exit := run(); !errors.Is(exit.Err, syscall.ENOENT) {
		t.Errorf("before it is installed: %+v", exit)
	}

	writeProgram(t, filepath.Join(two, "tool"), "#!/bin/sh\nexit 2\n", 0o755)

	if exit := run(); exit.Code != 2 {
		t.Errorf("installed: %+v", exit)
	}

	path := writeProgram(t, filepath.Join(one, "tool"), "#!/bin/sh\nexit 1\n", 0o644)

	if exit := run(); exit.Code != 2 {
		t.Errorf("an unexecutable one comes first: %+v", exit)
	}

	if err := os.Remove(filepath.Join(two, "tool")); err != nil {
		t.Fatal(err)
	}

	if exit := run(); !errors.Is(exit.Err, syscall.EACCES) {
		t.Errorf("only an unexecutable one: %+v", exit)
	}

	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}

	if exit := run(); exit.Code != 1 {
		t.Errorf("executable after all: %+v", exit)
	}
}

func TestRelativeDirectoriesInPath(t *testing.T) {
	t.Parallel()

	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}

	c := config(t, "tool")
	writeProgram(t, filepath.Join(c.Dir, "tool"), "#!/bin/sh\n", 0o755)

	rel, err := filepath.Rel(wd, c.Dir)
	if err != nil {
		t.Fatal(err)
	}

	c.Env = map[string]string{"PATH": ".::" + rel + ":"}

	h := newHandler(t, c)
	if path, err := h.base.find(); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("%q was found by where we happen to be (%v)", path, err)
	}
}

func TestDefaultPath(t *testing.T) {
	t.Parallel()

	c := config(t, "true")
	c.Environ = nil

	if exit := newHandler(t, c).Run(t.Context(), newTask(t, "a.csv")); exit.Code != 0 {
		t.Errorf("exit %+v", exit)
	}
}

func TestArgumentZeroIsAsConfigured(t *testing.T) {
	t.Parallel()

	task := newTask(t, "a.csv")
	newHandler(t, config(t, "sh", "-c", `tr '\0' '|' </proc/$$/cmdline`, "x")).Run(t.Context(), task)

	if got := readLog(t, task); !strings.HasPrefix(got, "sh|-c|") {
		t.Errorf("command line %q, want sh first", got)
	}
}
