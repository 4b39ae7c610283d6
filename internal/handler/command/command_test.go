package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"importerd/internal/handler"
	"importerd/internal/handler/enter"
	"importerd/internal/job"
)

// longWait is for what must happen, whatever the machine has to do besides.
const longWait = time.Minute

// askMe makes the test binary a program that says each time that it is asked to end,
// and makes a file of its name. It does not end. No shell will do: dash loses a signal that comes while it
// forks.
const askMe = "ask-me"

func asked(name string) {
	c := make(chan os.Signal, 9)
	signal.Notify(c, syscall.SIGTERM)

	if os.WriteFile(name+".up", []byte("ready\n"), 0) == nil {
		for range c {
			_, _ = fmt.Fprintln(os.Stdout, name, "was asked")

			_ = os.WriteFile(name, nil, 0o600)
		}
	}
}

func TestMain(m *testing.M) {
	if enter.Wanted(os.Args) {
		_ = enter.Run()

		os.Exit(64)
	}

	if len(os.Args) == 3 && os.Args[1] == askMe {
		asked(os.Args[2])
		os.Exit(0)
	}

	if len(os.Args) > 2 && os.Args[1] == forbidCall {
		if err := forbid(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(cannotForbid)
		}

		os.Args = slices.Delete(os.Args, 1, 3)
	}

	goleak.VerifyTestMain(m)
}

// config returns a configuration for the command in a directory of its own.
func config(t testing.TB, command ...string) Config {
	t.Helper()

	c := Config{
		Command:   command,
		Dir:       t.TempDir(),
		Spool:     "orders",
		KillAfter: longWait,
		Environ:   os.Environ(),
	}

	if os.Getenv(allGrouped) != "" {
		c = grouped(t, c)
	}

	return c
}

func newHandler(t testing.TB, c Config) *Handler {
	t.Helper()

	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}

	return h
}

// newTask returns a task on a file that exists, with a log.
func newTask(t testing.TB, name string) handler.Task {
	t.Helper()

	dir := t.TempDir()
	path := filepath.Join(dir, name)

	if err := os.WriteFile(path, []byte("content\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	return handler.Task{
		Job:  job.Record{ID: job.NewID(), Spool: "orders", Name: name, File: name, Attempt: 1},
		Path: path,
		Log:  filepath.Join(t.TempDir(), "log"),
	}
}

// shell runs a script with the file as $1.
func shell(t testing.TB, script string) Config {
	t.Helper()

	return config(t, "sh", "-c", script, "script")
}

// runShell runs a script to its end and returns that and the log.
func runShell(t testing.TB, script string) (job.Exit, string) {
	t.Helper()

	task := newTask(t, "a.csv")
	exit := newHandler(t, shell(t, script)).Run(t.Context(), task)

	return exit, readLog(t, task)
}

func readLog(t testing.TB, task handler.Task) string {
	t.Helper()

	log, err := os.ReadFile(task.Log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}

	return string(log)
}

func needs(t testing.TB, program string) string {
	t.Helper()

	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("needs %s: %v", program, err)
	}

	return path
}

func TestPlaceholder(t *testing.T) {
	t.Parallel()

	const path = "/in/a b.csv"

	tests := []struct {
		command string
		want    string
	}{
		{"cp", "cp|" + path},
		{"cp|-v", "cp|-v|" + path},
		{"cp|{}|/out", "cp|" + path + "|/out"},
		{"load|--in={}|x", "load|--in=" + path + "|x"},
		{"load|{}{}|{}", "load|" + path + path + "|" + path},
		{"load|{", "load|{|" + path},
	}
	for _, tt := range tests {
		argv := expand(strings.Split(tt.command, "|"), path)
		if got := strings.Join(argv, "|"); got != tt.want {
			t.Errorf("expand %s = %s, want %s", tt.command, got, tt.want)
		}
	}
}

func TestExpandedPathIsNotExpandedAgain(t *testing.T) {
	t.Parallel()

	task := newTask(t, "{}.csv")
	newHandler(t, config(t, "printf", "%s", "{}")).Run(t.Context(), task)

	if got := readLog(t, task); got != task.Path {
		t.Errorf("argument %q, want %q", got, task.Path)
	}
}

func TestOddNames(t *testing.T) {
	t.Parallel()

	names := []string{
		"a b.csv", "line\nbreak.csv", "bad\xff\xfe.csv", "-rf", "--help", "'quoted' \"twice\".csv", "$(touch x);`id`&.csv",
		"*", "\\", "\t", "\x1b[31mred.csv", "ü\u202e.csv", strings.Repeat("x", job.MaxName),
	}
	for _, name := range names {
		t.Run(job.Show(name)[:min(20, len(job.Show(name)))], func(t *testing.T) {
			t.Parallel()

			task := newTask(t, name)
			c := shell(t, `printf '%s|%s|%s' "$1" "$IMPORTERD_JOB_FILE" "$IMPORTERD_JOB_NAME"; cat "$1"; ls | wc -l`)
			exit := newHandler(t, c).Run(t.Context(), task)

			want := task.Path + "|" + task.Path + "|" + name + "content\n0\n"
			if got := readLog(t, task); exit.Code != 0 || got != want {
				t.Errorf("exit %+v, log %q, want %q", exit, got, want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()

	tests := map[string]func(*Config){
		"command is empty":        func(c *Config) { c.Command = nil },
		"name a program":          func(c *Config) { c.Command = []string{"", "x"} },
		"only arguments may":      func(c *Config) { c.Command = []string{"/bin/{}"} },
		"NUL byte: no program":    func(c *Config) { c.Command = []string{"true", "a\x00b"} },
		"directory is empty":      func(c *Config) { c.Dir = "" },
		"cannot be negative":      func(c *Config) { c.KillAfter = -1 },
		`"A=B" cannot be`:         func(c *Config) { c.Env = map[string]string{"A=B": ""} },
		`"" cannot be`:            func(c *Config) { c.Env = map[string]string{"": ""} },
		"variable A holds a NUL":  func(c *Config) { c.Env = map[string]string{"A": "\x00"} },
		`"C\x00" cannot be the n`: func(c *Config) { c.Env = map[string]string{"C\x00": ""} },
	}
	for want, spoil := range tests {
		c := config(t, "true")
		spoil(&c)

		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New says %v, want %q in it", err, want)
		}
	}

	_, err := New(Config{Env: map[string]string{"A=": ""}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("New tells %v, want all three complaints", err)
	}
}

func TestRelativeProgram(t *testing.T) {
	t.Parallel()

	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}

	program, err := filepath.Rel(wd, needs(t, "printf"))
	if err != nil {
		t.Fatal(err)
	}

	task := newTask(t, "a.csv")
	if exit := newHandler(t, config(t, program, "here")).Run(t.Context(), task); exit.Code != 0 {
		t.Errorf("exit %+v", exit)
	}
}

func TestNotStartedWhenUnwanted(t *testing.T) {
	t.Parallel()

	h := newHandler(t, config(t, "touch"))
	task := newTask(t, "a.csv")
	task.Path = filepath.Join(t.TempDir(), "made")
	task.Started = func(int) { t.Error("started") }

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(handler.ErrStop)

	if exit := h.Run(ctx, task); exit.Code != -1 || !errors.Is(exit.Err, handler.ErrStop) || exit.Signal != "" {
		t.Errorf("exit %+v, want the cause of the context", exit)
	}

	kill := make(chan struct{})
	close(kill)
	task.Kill = kill

	if exit := h.Run(t.Context(), task); exit.Code != -1 || !errors.Is(exit.Err, ErrKilled) {
		t.Errorf("exit %+v, want ErrKilled", exit)
	}

	if _, err := os.Lstat(task.Path); err == nil {
		t.Error("the command was run")
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()

	for _, code := range []string{"0", "1", "65", "69", "75", "78", "126", "127", "255"} {
		exit, _ := runShell(t, "exit "+code)
		if strconv.Itoa(exit.Code) != code || exit.Signal != "" || exit.Err != nil || exit.Took <= 0 {
			t.Errorf("exit %s: got %+v", code, exit)
		}
	}
}

func TestDiedOfASignal(t *testing.T) {
	t.Parallel()

	names := []string{"KILL", "TERM", "INT", "PIPE"}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup, which commands inherit
		names = append(names, "HUP")
	}

	for _, signal := range names {
		exit, _ := runShell(t, "kill -"+signal+" $$; exit 9")
		if exit.Code != -1 || exit.Signal != "SIG"+signal || exit.Err != nil {
			t.Errorf("%s: got %+v", signal, exit)
		}
	}

	if exit, _ := runShell(t, "kill -40 $$; exit 9"); exit.Signal != "SIG40" {
		t.Errorf("real-time signal: got %+v", exit)
	}
}
