package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"
)

func TestDirsOf(t *testing.T) {
	t.Parallel()

	const mounts = `25 1 0:22 / /proc rw,nosuid - proc proc rw
30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
31 25 0:26 /system.slice/a.service /mnt/with\040blank rw - cgroup2 none rw
32 25 0:26 /system.slice/a /mnt/other rw - cgroup2 none rw
33 25 0:26 /../.. /mnt/outer rw - cgroup2 none rw
34 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
35 25 0:26 / nonsense`

	for name, want := range map[string][]string{
		"/system.slice/a.service":   {"/sys/fs/cgroup/system.slice/a.service", "/mnt/with blank"},
		"/system.slice/a.service/x": {"/sys/fs/cgroup/system.slice/a.service/x", "/mnt/with blank/x"},
		"/":                         {"/sys/fs/cgroup"},
	} {
		if got := dirsOf(mounts, name); !slices.Equal(got, want) {
			t.Errorf("%s is at %q, want %q", name, got, want)
		}
	}
}

func TestOwnName(t *testing.T) {
	t.Parallel()

	if name, ok := ownName("9:name=systemd:/\n4:memory:/a\n0::/b c\n"); !ok || name != "/b c" {
		t.Errorf("got %q, %v", name, ok)
	}

	if name, ok := ownName("4:memory:/a\n"); ok {
		t.Errorf("got %q where there is none", name)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()

	if e := parseEvents("populated 1\nfrozen 0\n"); !e.populated || e.frozen {
		t.Errorf("got %+v", e)
	}

	if e := parseEvents("populated 0\nfrozen 1\n"); e.populated || !e.frozen {
		t.Errorf("got %+v", e)
	}

	for text, want := range map[string]OOM{
		"":                                    NoOOM,
		"low 0\nmax 12\noom 0\noom_kill 0\n":  NoOOM,
		"max 12\noom 3\noom_kill 0\n":         NoOOM, // it has asked for less and went on
		"max 12\noom 1\noom_kill 1\n":         OOMLimit,
		"max 0\noom 0\noom_kill 2\nunknown x": OOMMachine,
	} {
		if got := oomOf(values(text)); got != want {
			t.Errorf("%q means %q, want %q", text, got, want)
		}
	}
}

// What is written where, in a directory that only looks like a group: controllers are
// rare where tests run.
func TestWhatIsWritten(t *testing.T) {
	t.Parallel()

	files := map[string]string{
		"memory.max": "536870912", "memory.oom.group": "1", "memory.swap.max": "0",
		"cpu.max": "50000 100000", "pids.max": "7",
	}
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()

		if err != nil {
			t.Fatal(err)
		}
	}

	must(os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte("cpuset cpu io memory pids\n"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), nil, 0o600))
	must(os.Mkdir(filepath.Join(dir, "job-1"), 0o700))

	r, err := Hold(dir, zerolog.Nop())
	must(err)

	defer func() { must(r.Close()) }()

	r.Enable()

	for name := range files {
		must(os.WriteFile(filepath.Join(dir, "job-1", name), nil, 0o600))
	}

	l := Limits{Memory: 512 << 20, CPU: 50, PIDs: 7}
	must(r.Unmet(l))

	g, err := r.Find("job-1")
	must(err)

	_, err = g.limit(l)
	must(err)

	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(dir, "job-1", name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}

	must(os.WriteFile(filepath.Join(dir, "job-1", "memory.peak"), []byte("1234567\n"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "job-1", "memory.events"), []byte("oom 1\noom_kill 1\n"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "job-1", "cpu.stat"), []byte("usage_usec 1500000\nuser_usec 9\n"), 0o600))

	if got, want := g.Usage(), (Usage{MaxMemory: 1234567, CPU: 1500e6, OOM: OOMLimit}); got != want {
		t.Errorf("used %+v, want %+v", got, want)
	}

	// Without swap in the kernel there is no limit for it, and none is needed.
	must(os.Remove(filepath.Join(dir, "job-1", "memory.swap.max")))

	_, err = g.limit(l)
	must(err)
	must(os.Remove(filepath.Join(dir, "job-1", "memory.max")))

	if _, err := g.limit(l); err == nil {
		t.Error("a limit that cannot be set is passed over")
	}
}
