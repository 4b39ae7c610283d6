package worker_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"importerd/internal/handler"
)

// TestExamples: the workers that we show do what they say.
func TestExamples(t *testing.T) {
	t.Parallel()

	root, err := filepath.Abs("../../../examples/worker")
	if err != nil {
		t.Fatal(err)
	}

	for name, argv := range map[string]func(t *testing.T) []string{
		"python": func(t *testing.T) []string {
			t.Helper()

			python, err := exec.LookPath("python3")
			if err != nil {
				t.Skip("python3 is not there")
			}

			return []string{python, root + "/count.py"}
		},
		"go": func(t *testing.T) []string {
			t.Helper()

			program := filepath.Join(t.TempDir(), "count")

			build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
			build.Dir = root + "/count"

			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}

			return []string{program}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			command := argv(t)
			r := newRigOf(t, 1, 4, func(string) []string { return command })

			for i := range 10 {
				r.counts(fmt.Sprintf("plain-%d", i), strings.Repeat("a line\n", i), 0, fmt.Sprintln(i))
			}

			r.counts("not \xff UTF-8", "one\ntwo", 0, "2\n")
			r.counts("bad", "fine\n\x00\n", 65, "")
			r.counts("no results", "x\n", 0, "")
			r.gone("not there")
			r.cancels(strings.Repeat("a line\n", 1<<20))

			if n := r.fleet.Counts(); n.Started != 1 {
				t.Errorf("counts %+v, log %s", n, r.log)
			}
		})
	}
}

// counts has a worker count the lines of a file.
func (r *rig) counts(name, text string, code int, want string) {
	r.Helper()

	task := r.file(name, text)
	task.Results = filepath.Join(r.dir, "results of "+name)

	if err := os.Mkdir(task.Results, 0o700); err != nil {
		r.Fatal(err)
	}

	if name == "no results" {
		task.Results = ""
	}

	exit := r.end(r.begin(task))

	got, err := os.ReadFile(filepath.Join(task.Results, "lines"))
	if want == "" && os.IsNotExist(err) {
		err = nil
	}

	if exit.Code != code || exit.Err != nil || err != nil || string(got) != want {
		r.Errorf("%q: %+v, %q, %v", name, exit, got, err)
	}

	if code == 65 && string(exit.Tail) != "line 2 is no text" {
		r.Errorf("%q: %q", name, exit.Tail)
	}
}

// file returns a task on a file.
func (r *rig) file(name, text string) handler.Task {
	r.Helper()

	task := r.task(name)
	task.Path = filepath.Join(r.dir, name)

	if err := os.WriteFile(task.Path, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}

	return task
}

// gone has a worker count the lines of a file that is not there.
func (r *rig) gone(name string) {
	r.Helper()

	if exit := r.does(name); exit.Code != 1 || len(exit.Tail) == 0 {
		r.Errorf("%q: %+v", name, exit)
	}
}

// cancels has a worker give up a file, or be done before it hears of that.
func (r *rig) cancels(text string) {
	r.Helper()

	a := r.begin(r.file("large", text))
	a.cancel(handler.ErrTerminate)

	if exit := r.end(a); exit.Code != 1 && exit.Code != 0 && exit.Err == nil {
		r.Errorf("large: %+v", exit)
	}
}
