package main

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// troubled returns a daemon with a spool for each trouble, and what they are.
func troubled(now time.Time) (wire.Spools, []string) {
	id := job.NewID()
	well := wire.Spool{
		Name: "well", Dir: "/srv/well", Inbox: "/srv/well/inbox",
		Workers: 2, StartedAt: now.Add(-50 * time.Hour), Events: true,
	}

	all := wire.Spools{Daemon: wire.Daemon{
		Version: "v1.2.3", PID: 4711, StartedAt: now.Add(-50 * time.Hour), Draining: true,
		ReloadError: "importerd.toml:7:1: unknown key",
	}}

	add := func(name string, change func(*wire.Spool)) {
		s := well
		s.Name = name
		change(&s)
		all.Spools = append(all.Spools, s)
	}

	add("well", func(*wire.Spool) {})
	add("busy", func(s *wire.Spool) { // much to do, but nothing for a person
		s.Waiting, s.Settling, s.OldestAt = 12345, 2, now.Add(-time.Hour)
		s.Running, s.LongestAt, s.Deferred, s.Later, s.Committing = 2, now.Add(-time.Minute), 7, 17, 1
		s.Processes, s.Unexpected = 2, 1
		s.Ignored, s.Interrupted, s.PausedJobs, s.Trigger = 4, 2, 1, &id
		s.Reasons = []wire.Reason{
			{Standing: job.Settling, Text: job.ReasonOpen, Files: 2, Example: "big.csv"},
			{Standing: job.Ignored, Text: job.ReasonTemporary, Files: 4, Example: strings.Repeat("ü\x1b[31m", 60) + ".tmp"},
		}
		s.Jobs = wire.StateCount{Done: 1234567, Failed: 7, Terminated: 1}
		s.DoneJobs, s.DoneBytes, s.DoneSize, s.JournalSize = 50, 5<<30, 1<<40, 1<<20
		s.LastError, s.LastErrorAt, s.LastFailed = strings.Repeat("why ", 40), now.Add(-2*time.Hour), &id
	})
	add("kept", func(s *wire.Spool) { s.KeepDone, s.Jobs.Done = 30*86400, 1 })
	add("asleep", func(s *wire.Spool) { s.Paused = true })
	add("broken", func(s *wire.Spool) { s.Broken = "exit 127: not there" })
	add("full", func(s *wire.Spool) { s.Disk, s.Committing = "no space left on device", 3 })
	add("holds", func(s *wire.Spool) {
		s.Held = 3
		s.Reasons = []wire.Reason{{Standing: job.Held, Text: job.ReasonUnreadable, Files: 2, Example: "secret.csv"}}
	})
	add("fails", func(s *wire.Spool) { s.LastError, s.LastErrorAt = "exit 1", now.Add(-30*time.Minute) })
	all.Spools = append(all.Spools, wire.Spool{
		Name: "away", Dir: "/mnt/" + strings.Repeat("x", 200), Degraded: "not mounted",
	})

	return all, []string{" reload", "broken broken", "full disk", "holds held", "fails failed", "away degraded"}
}

func TestProblems(t *testing.T) {
	t.Parallel()

	now := time.Now()
	all, want := troubled(now)

	var got []string
	for _, p := range problemsOf(all, now, time.Hour) {
		got = append(got, p.Spool+" "+p.What)
	}

	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}

	for within, want := range map[time.Duration]int{0: 5, time.Minute: 5, time.Hour: 6, day: 7} {
		if got := len(problemsOf(all, now, within)); got != want {
			t.Errorf("failures within %v: %d problems, want %d", within, got, want)
		}
	}
}

func TestScreen(t *testing.T) {
	t.Parallel()

	now := time.Now()
	all, _ := troubled(now)

	var out strings.Builder

	screen{newPainter(&out), now}.print(all, problemsOf(all, now, time.Hour))

	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}

	if strings.Contains(out.String(), "\x1b") {
		t.Error("there is an escape sequence where nobody wants colours")
	}

	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"importerd v1.2.3, up 2d2h, process 4711, draining",
		"reload the changed configuration could not be taken, the one before holds: importerd.toml:7:1: unknown key",
		"well ok dir /srv/well waiting nothing running 0 of 2 done 0 jobs failed 0 busy",
		"waiting 12,345 files, the oldest for 1h; 2 of them settling 2 files: still open for writing, such as big.csv",
		"ignored 4 files: temporary name, such as ü\\x1b[31mü",
		"running 2 of 2, the longest for 1m; 1 ended, not written down yet",
		"workers 2 there, ended unasked once since the start",
		"paused 1 job, by a person",
		"deferred 7 jobs; put off by the handler 17 times since the start",
		"stopped 2 attempts interrupted since the start",
		"has not ended done 1,234,567 jobs, 1.0 TiB; 50, 5.0 GiB since the start 2d2h ago (2.4 GiB a day); " +
			"kept for ever: done/ grows until keep is set",
		"failed 7, terminated 1; the last 2h ago: why why",
		"(importerd show " + shortID(*all.Spools[1].Trigger) + ")",
		"journal 1.0 MiB",
		"done 1 job; kept 30d",
		"asleep paused dir /srv/well paused by a person: nothing is taken until importerd resume --spool asleep",
		"broken exit 127: not there; one job at a time is tried until one succeeds",
		"disk no space left on device; it is tried again",
		"held 2 files: unreadable, such as secret.csv 1 file: importerd explain says why",
		"fails failed dir",
		"away degraded dir /mnt/xxx",
		"degraded not mounted",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}

	if !strings.HasSuffix(text, "degraded not mounted") {
		t.Error("something is counted of a spool that is not open")
	}
}

func TestScreenInColour(t *testing.T) {
	t.Parallel()

	var out strings.Builder

	screen{&painter{out: &out, coloured: true}, time.Now()}.print(wire.Spools{Spools: []wire.Spool{
		{Name: "a", Broken: "why"}, {Name: "b"}, {Name: "c", Paused: true},
	}}, []problem{{"a", "broken", "why"}})

	for _, want := range []string{
		"\x1b[1ma\x1b[0m  \x1b[31mbroken\x1b[0m\n", "\x1b[1mb\x1b[0m  \x1b[32mok\x1b[0m\n", "  \x1b[33mpaused\x1b[0m\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in %q", want, out.String())
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"":                 "",
		"a b":              "a b",
		"aa bb cc":         "aa bb|cc",
		"aaaaaaa":          "aaaaa|aa",
		"a bbbbbbb c":      "a|bbbbb|bb c",
		"aaaaa bbbbb":      "aaaaa|bbbbb",
		"üüüüüü":           "üüüüü|ü",
		"aaaaabbbbb c":     "aaaaa|bbbbb|c",
		"  many   spaces ": "many|space|s",
	} {
		if got := strings.Join(wrap(text, 5), "|"); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// pretend answers as one with these spools, on a socket; returned is its address.
func pretend(t *testing.T, all wire.Spools) string {
	t.Helper()

	path := filepath.Join(t.TempDir(), "s")

	listener, err := net.Listen("unix", path) //nolint:noctx // it is only for this test
	if err != nil {
		t.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET "+wire.PathSpools, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")

		if err := json.NewEncoder(w).Encode(all); err != nil {
			t.Error(err)
		}
	})

	server := &http.Server{Handler: mux, ReadHeaderTimeout: patience}

	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()

	t.Cleanup(func() { _ = server.Close() })

	return "unix:" + path
}

func TestStatusExitCodes(t *testing.T) {
	t.Parallel()

	now := time.Now()
	all, _ := troubled(now)
	bad := pretend(t, all)
	fails := pretend(t, wire.Spools{Spools: all.Spools[7:8]})
	none := "unix:" + filepath.Join(t.TempDir(), "none")

	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"well", "--listen", bad}, codeNotSo, "reload"}, // what ails the daemon ails all
		{[]string{"--listen", pretend(t, wire.Spools{Spools: all.Spools[:4]})}, codeOK, "asleep  paused"},
		{[]string{"--listen", pretend(t, wire.Spools{})}, codeOK, "it has no spools"},
		{[]string{"--listen", fails}, codeNotSo, "fails  failed"},
		{[]string{"--listen", fails, "--failed-within", "10m"}, codeOK, "fails  ok"},
		{[]string{"--listen", fails, "--failed-within", "0"}, codeOK, "fails  ok"},
		{[]string{"asleep", "--listen", pretend(t, wire.Spools{Spools: all.Spools})}, codeOK, "asleep  paused"},
		{[]string{"broken", "--listen", bad}, codeNotSo, "broken  broken"},
		{[]string{"nosuch", "--listen", bad}, codeNotSo, ""},
		{[]string{"--listen", none}, codeUnavailable, ""},
		{[]string{"--failed-within", "soon"}, codeUsage, ""},
		{[]string{"a", "b"}, codeUsage, ""},
	} {
		args := append([]string{"status", "--config", filepath.Join(t.TempDir(), "none.toml")}, c.args...)

		got := callProgram(t, "", args...)
		if got.code != c.code || !strings.Contains(got.stdout, c.want) {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, got.code, c.code, got.stdout, got.stderr)
		}

		if c.code == codeNotSo && c.want != "" && got.stderr != "" {
			t.Errorf("%v: what the screen says is said again: %s", args, got.stderr)
		}
	}
}

func TestStatusAsJSON(t *testing.T) {
	t.Parallel()

	all, want := troubled(time.Now())

	var got standing

	r := callProgram(t, "", "status", "--output", "json", "--listen", pretend(t, all))
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != codeNotSo {
		t.Fatalf("%v: %+v", err, r)
	}

	if got.Well || !got.Reachable || len(got.Problems) != len(want) || len(got.Spools) != len(all.Spools) ||
		got.Daemon.PID != 4711 || got.Spools[1].Jobs.Done != 1234567 {
		t.Errorf("%s", r.stdout)
	}

	callProgram(t, "", "status", "--output", "json", "--listen", pretend(t, wire.Spools{})).want(t, codeOK,
		`{"well":true,"problems":[],"reachable":true,"daemon":{"draining":false},"spools":[]}`, "")
}

func TestCountFiles(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	for _, name := range []string{"a", "b\xff\n", ".hidden"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if n, err := countFiles(dir); n != 2 || err != nil {
		t.Errorf("%d files, %v", n, err)
	}

	if _, err := countFiles(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
