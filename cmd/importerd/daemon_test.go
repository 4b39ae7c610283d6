package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// double is a daemon that goes wrong as tests want it; what a good one does is for the
// scripts, which have a real one.
type double struct {
	t     *testing.T
	dir   string // of its only spool, which is called orders
	addr  string
	mux   *http.ServeMux
	mu    sync.Mutex
	posts []string // guarded by mu; what was asked for, in that order
}

// newDouble returns a daemon that has a spool and can do nothing.
func newDouble(t *testing.T) *double {
	t.Helper()

	dir := t.TempDir()
	mustDo(t, os.Mkdir(filepath.Join(dir, "inbox"), 0o755))

	d := &double{t: t, dir: dir, addr: "unix:" + filepath.Join(t.TempDir(), "s"), mux: http.NewServeMux()}

	l, err := net.Listen("unix", strings.TrimPrefix(d.addr, "unix:"))
	mustDo(t, err)

	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			d.mu.Lock()
			d.posts = append(d.posts, r.URL.Path)
			d.mu.Unlock()
		}

		d.mux.ServeHTTP(w, r)
	}))
	mustDo(t, s.Listener.Close())
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)

	d.mux.HandleFunc("GET "+wire.PathSpools, func(w http.ResponseWriter, _ *http.Request) {
		d.answer(w, http.StatusOK, wire.Spools{Spools: []wire.Spool{{Name: "orders", Dir: dir}}})
	})

	return d
}

func mustDo(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// answer answers with JSON.
func (d *double) answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)

	if err := json.NewEncoder(w).Encode(v); err != nil {
		d.t.Error(err)
	}
}

// refuse answers everything that is put or started with an error.
func (d *double) refuse(status int, code wire.Code) {
	d.mux.HandleFunc("POST "+wire.PathFiles, func(w http.ResponseWriter, _ *http.Request) {
		d.answer(w, status, wire.Error{Error: wire.Fault{Code: code, Message: "the daemon says " + string(code)}})
	})
}

// accept accepts everything that is put, under the id that the client gives; no job is
// ever done.
func (d *double) accept() {
	d.mux.HandleFunc("POST "+wire.PathFiles, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}

		id, err := job.ParseID(r.Header.Get("Idempotency-Key"))
		if err != nil {
			d.t.Error(err)
		}

		d.answer(w, http.StatusCreated, wire.Job{ID: id, Name: r.FormValue("name"), State: job.Deferred})
	})
}

// inbox returns what lies in the inbox of the spool.
func (d *double) inbox() string {
	entries, err := os.ReadDir(filepath.Join(d.dir, "inbox"))
	mustDo(d.t, err)

	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}

	return strings.Join(names, " ")
}

// result is what a call of the program came to.
type result struct {
	code           int
	stdout, stderr string
}

// call runs the program, with the address of the double.
func (d *double) call(stdin string, args ...string) result {
	d.t.Helper()

	return callProgram(d.t, stdin, append(args, "--listen", d.addr)...)
}

// callProgram runs the program.
func callProgram(t *testing.T, stdin string, args ...string) result {
	t.Helper()

	stderr, err := os.CreateTemp(t.TempDir(), "stderr")
	mustDo(t, err)

	defer stderr.Close()

	var stdout strings.Builder

	p := &program{args: args, stdin: strings.NewReader(stdin), stdout: &stdout, stderr: stderr}
	code := p.run(t.Context())

	text, err := os.ReadFile(stderr.Name())
	mustDo(t, err)

	return result{code, stdout.String(), string(text)}
}

// want complains of another result; stdout and stderr must contain the texts.
func (r result) want(t *testing.T, code int, stdout, stderr string) {
	t.Helper()

	if r.code != code || !strings.Contains(r.stdout, stdout) || !strings.Contains(r.stderr, stderr) ||
		stdout == "" && r.stdout != "" || stderr == "" && r.stderr != "" {
		t.Errorf("it ends with %d, want %d, and says\n%s%s, want\n%s\n%s", r.code, code, r.stdout, r.stderr, stdout, stderr)
	}
}
