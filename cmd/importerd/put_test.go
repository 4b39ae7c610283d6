package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// fileWith makes a file that can be put.
func fileWith(t *testing.T, name, text string) string {
	t.Helper()

	path := filepath.Join(t.TempDir(), name)
	mustDo(t, os.WriteFile(path, []byte(text), 0o644))

	return path
}

var anID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func TestPutPrintsIDs(t *testing.T) {
	t.Parallel()

	d := newDouble(t)
	d.accept()

	for _, spool := range []string{d.dir, "orders"} {
		r := d.call("", "put", spool, fileWith(t, "a.csv", "1"), fileWith(t, "none", "")+"x", fileWith(t, "b.csv", ""))
		lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")

		if r.code != codeData || len(lines) != 2 || !anID.MatchString(lines[0]) || !anID.MatchString(lines[1]) {
			t.Errorf("%s: %+v", spool, r)
		}
	}

	id := job.NewID().String()
	d.call("12", "put", "orders", "-", "--name", "c.csv", "--id", id).want(t, codeOK, id+"\n", "")

	r := d.call("", "put", "orders", fileWith(t, "a.csv", "1"), fileWith(t, "b.csv", "2"), "--output", "json")

	var answer struct {
		Spool string
		Files []dropped
	}

	err := json.Unmarshal([]byte(r.stdout), &answer)
	if err != nil || answer.Spool != "orders" || len(answer.Files) != 2 ||
		answer.Files[1].Name != "b.csv" || *answer.Files[1].ID != answer.Files[1].Job.ID {
		t.Errorf("%s: %v", r.stdout, err)
	}

	if got := d.inbox(); got != "" {
		t.Errorf("in the inbox: %s", got)
	}
}

func TestPutUsage(t *testing.T) {
	t.Parallel()

	d := newDouble(t)
	file := fileWith(t, "a.csv", "1")

	d.call("", "put", "orders", file, file, "--id", job.NewID().String()).want(t, codeUsage, "", "--id is for one file")
	d.call("", "put", "orders", file, "--id", "7").want(t, codeUsage, "", "is not a job id")
	d.call("", "put", "orders", file, "--id", job.ID{}.String()).want(t, codeUsage, "", "the id of no job")
	d.call("", "put", "books", file, "--wait").want(t, codeNotSo, "", `has no spool "books"`)
	d.call("", "put", "orders", file, "--token-file", file+"x").want(t, codeConfig, "", "--token-file: open")
	callProgram(t, "", "put", d.dir, file, "--listen", "nonsense").
		want(t, codeUsage, "", "--listen: \"nonsense\" is no address")
}

// Without a daemon, or with one that has another spool: straight into the inbox, if
// nobody needs an id.
func TestPutWithoutDaemon(t *testing.T) {
	t.Parallel()

	d, other := newDouble(t), newDouble(t)

	for i, addr := range []string{"unix:" + filepath.Join(d.dir, "none"), other.addr, "127.0.0.1:1"} {
		name := string(rune('a'+i)) + ".csv"
		file := fileWith(t, name, "1")

		callProgram(t, "", "put", d.dir, file, "--listen", addr).want(t, codeOK, "", "")

		if !strings.HasSuffix(d.inbox(), name) {
			t.Errorf("%s: in the inbox: %s", addr, d.inbox())
		}

		want := codeUnavailable
		if addr == other.addr {
			want = codeNotSo
		}

		callProgram(t, "", "put", d.dir, file, "--listen", addr, "--wait").want(t, want, "", "importerd: ")
		callProgram(t, "", "put", d.dir, file, "--listen", addr, "--id", job.NewID().String()).
			want(t, want, "", "importerd: ")
	}

	// By the name of a spool that only a daemon could know.
	callProgram(t, "", "put", "books", fileWith(t, "a.csv", ""), "--config", "none.toml", "--listen", "127.0.0.1:1").
		want(t, codeUnavailable, "", "no daemon at 127.0.0.1:1")
}

// A daemon that is about to end, or has only begun, has taken nothing; one whose disk is full
// has no better inbox.
func TestPutRefused(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		status   int
		code     wire.Code
		exit     int
		straight bool
	}{
		{http.StatusServiceUnavailable, wire.CodeDraining, codeOK, true},
		{http.StatusServiceUnavailable, wire.CodeDegraded, codeOK, true},
		{http.StatusInsufficientStorage, wire.CodeDisk, codeUntrusted, false},
		{http.StatusBadRequest, wire.CodeBadName, codeData, false},
		{http.StatusRequestEntityTooLarge, wire.CodeTooLarge, codeData, false},
		{http.StatusConflict, wire.CodeConflict, codeNotSo, false},
		{http.StatusUnauthorized, wire.CodeUnauthorized, codeUnavailable, false},
		{http.StatusInternalServerError, wire.CodeInternal, codeUnavailable, false},
	} {
		t.Run(string(c.code), func(t *testing.T) {
			t.Parallel()

			d := newDouble(t)
			d.refuse(c.status, c.code)
			file := fileWith(t, "a.csv", "1")

			said := "the daemon says " + string(c.code)
			if c.straight {
				said = ""
			}

			d.call("", "put", "orders", file, "--id", job.NewID().String()).
				want(t, max(c.exit, codeNotSo), "", "the daemon says "+string(c.code))
			d.call("", "put", d.dir, file).want(t, c.exit, "", said)

			if (d.inbox() == "a.csv") != c.straight {
				t.Errorf("in the inbox: %q", d.inbox())
			}
		})
	}
}

// Whoever may not ask can still drop files.
func TestPutUnauthorized(t *testing.T) {
	t.Parallel()

	d := newDouble(t)
	d.mux = http.NewServeMux()
	d.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer secret" {
			d.answer(w, http.StatusOK, wire.Spools{Spools: []wire.Spool{{Name: "orders", Dir: d.dir}}})

			return
		}

		d.answer(w, http.StatusUnauthorized, wire.Error{
			Error: wire.Fault{Code: wire.CodeUnauthorized, Message: "who are you?"},
		})
	})

	file := fileWith(t, "a.csv", "1")
	d.call("", "put", d.dir, file).want(t, codeOK, "", "")
	d.call("", "put", d.dir, file, "--wait").want(t, codeUnavailable, "", "who are you?\nhint: give the file that holds")

	if d.inbox() != "a.csv" {
		t.Errorf("in the inbox: %q", d.inbox())
	}

	d.call("", "put", "books", file, "--wait", "--token-file", fileWith(t, "token", " secret\n")).
		want(t, codeNotSo, "", "has no spool")
}

// Once something was sent nobody knows what became of it: nothing goes another way.
func TestPutLost(t *testing.T) {
	t.Parallel()

	d := newDouble(t)
	d.mux.HandleFunc("POST "+wire.PathFiles, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = r.Body.Read(make([]byte, 1))
		panic(http.ErrAbortHandler)
	})

	file := fileWith(t, "a.csv", "1234")
	r := d.call("", "put", d.dir, file)

	told := regexp.MustCompile(`it may have become job (\S+)\nhint: do it again with --id (\S+): `).
		FindStringSubmatch(r.stderr)
	if r.code != codeUnavailable || r.stdout != "" || told == nil || told[1] != told[2] || !anID.MatchString(told[1]) {
		t.Errorf("%+v", r)
	}

	r = d.call("", "put", d.dir, file, "--output", "json")
	if r.code != codeUnavailable || !regexp.MustCompile(`"id":"[-0-9a-f]{36}","error":"put .*lost`).MatchString(r.stdout) {
		t.Errorf("%+v", r)
	}

	if d.inbox() != "" {
		t.Errorf("in the inbox: %q", d.inbox())
	}
}

// A file that is written while it is sent is not accepted, neither in part nor mixed.
func TestPutChanged(t *testing.T) {
	t.Parallel()

	const size = 32 << 20 // more than what the sockets hold

	for name, change := range map[string]func(path string) error{
		"shorter": func(path string) error { return os.Truncate(path, 1<<20) },
		"longer":  func(path string) error { return os.Truncate(path, size+1) },
		"other": func(path string) error {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer file.Close()

			_, err = file.WriteAt([]byte("x"), size-1)

			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			path := fileWith(t, "a.csv", "")
			mustDo(t, os.Truncate(path, size))

			d := newDouble(t)
			whole := make(chan bool, 1) // the handler sends once

			d.mux.HandleFunc("POST "+wire.PathFiles, func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.ReadFull(r.Body, make([]byte, 1))
				if err == nil {
					err = change(path)
				}

				if err != nil {
					t.Error(err)
				}

				_, err = io.Copy(io.Discard, r.Body)
				whole <- err == nil

				panic(http.ErrAbortHandler)
			})

			d.call("", "put", "orders", path).want(t, codeData, "", "a.csv was changed while it was sent: nothing was accepted")

			if <-whole {
				t.Error("for the daemon it was whole")
			}
		})
	}
}

func TestPutWaits(t *testing.T) {
	t.Parallel()

	d := newDouble(t)
	d.accept()
	d.mux.HandleFunc("GET "+wire.PathEvents, func(w http.ResponseWriter, r *http.Request) {
		id, err := job.ParseID(r.FormValue("id"))
		if err != nil {
			t.Error(err)
		}

		text, err := json.Marshal(wire.Event{
			Kind: wire.KindEnded, Job: &wire.Job{ID: id, Name: "a.csv", State: job.Failed, Error: "exit code 3"},
		})
		if err != nil {
			t.Error(err)
		}

		_, _ = io.WriteString(w, "data: "+string(text)+"\n\n")
	})

	r := d.call("", "put", "orders", fileWith(t, "a.csv", "1"), "--wait")
	id := strings.TrimSpace(r.stdout)
	r.want(t, codeNotSo, "\n", "importerd: job "+id+" (a.csv) is failed: exit code 3\nhint: importerd log "+id)

	d.call("", "put", "orders", fileWith(t, "a.csv", "1"), "--wait", "--output", "json").
		want(t, codeNotSo, `"state":"failed"`, "is failed")
}

// A daemon that ends while it is sent something leaves behind what to repeat it with; one
// that says so before leaves nothing to be told.
func TestPutCut(t *testing.T) {
	t.Parallel()

	d := newDouble(t)
	d.mux.HandleFunc("POST "+wire.PathFiles, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadFull(r.Body, make([]byte, 1)); err != nil {
			t.Error(err)
		}

		d.answer(w, http.StatusServiceUnavailable, wire.Error{Error: wire.Fault{Code: wire.CodeDraining, Message: "it ends"}})
	})

	r := d.call("sql", "put", "orders", "-", "--name", "a.sql")
	if r.code != codeUnavailable || !regexp.MustCompile(`again with --id [-0-9a-f]{36}`).MatchString(r.stderr) {
		t.Errorf("%+v", r)
	}

	if d.inbox() != "" {
		t.Errorf("in the inbox: %q", d.inbox())
	}
}
