package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// To look changes nothing of the process.
func TestLookChangesNothing(t *testing.T) {
	t.Parallel()

	state := func() string {
		var all strings.Builder

		for _, file := range []string{"personality", "status", "ns", "cgroup", "sched"} {
			text, _ := os.ReadFile("/proc/self/" + file)

			for line := range strings.Lines(string(text)) {
				if key, _, _ := strings.Cut(line, ":"); isSteady(key) || file == "personality" || file == "cgroup" {
					all.WriteString(line)
				}
			}
		}

		for _, ns := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
			link, _ := os.Readlink("/proc/self/ns/" + ns)
			all.WriteString(link)
		}

		name, _ := os.Hostname()

		return all.String() + name
	}

	before := state()
	findings := Look(Options{})

	if after := state(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}

	seen := map[string]bool{}

	for _, f := range findings {
		if seen[f.Directive] || f.Means == "" || (f.Detail == "") != (f.State == Holds) {
			t.Errorf("finding %+v", f)
		}

		seen[f.Directive] = true
	}
}

func isSteady(key string) bool {
	for _, prefix := range []string{"Umask", "Uid", "Gid", "Cap", "NoNewPrivs", "Seccomp", "policy", "prio"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}

	return false
}

// Each line of the unit that is about the sandbox is looked at.
func TestWholeUnit(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("../../packaging/importerd.service")
	if err != nil {
		t.Fatal(err)
	}

	var directives strings.Builder
	for _, f := range Look(Options{}) {
		directives.WriteString(" " + f.Directive)
	}

	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		key, _, ok := strings.Cut(line, "=")

		about := ok && (strings.HasPrefix(key, "Protect") || strings.HasPrefix(key, "Private") ||
			strings.HasPrefix(key, "Restrict") && key != "RestartPreventExitStatus" || strings.HasSuffix(key, "Capabilities") ||
			strings.HasPrefix(key, "SystemCall") && key != "SystemCallErrorNumber" || key == "NoNewPrivileges" ||
			key == "CapabilityBoundingSet" || key == "LockPersonality" || key == "UMask" || key == "User" ||
			key == "Delegate" || key == "KeyringMode" || key == "RemoveIPC")

		all := directives.String() + " "
		if about && !strings.Contains(all, " "+line) && !strings.Contains(all, " "+key+"= ") &&
			!strings.Contains(all, " "+key+"=,") {
			t.Errorf("nobody looks at %s", line)
		}
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()

	s := self{}

	for line := range strings.Lines(`21 1 0:20 / / ro,relatime shared:1 master:7 - overlay box rw
22 21 0:21 / /tmp rw shared:2 - tmpfs tmpfs rw
23 21 0:22 /systemd-private-x/tmp /tmp rw - tmpfs tmpfs rw
24 21 0:23 /systemd/inaccessible/dir /home ro - tmpfs tmpfs rw
25 21 0:24 / /proc rw - proc proc rw,hidepid=invisible
broken
26 21 0:25 / /short - proc
`) {
		if m, ok := parseMount(line); ok {
			s.mounts = append(s.mounts, m)
		}
	}

	if len(s.mounts) != 5 {
		t.Fatalf("got %d mounts: %+v", len(s.mounts), s.mounts)
	}

	if m, _ := s.at("/tmp"); m.root != "/systemd-private-x/tmp" {
		t.Errorf("at /tmp is %+v", m)
	}

	if m, _ := s.at("/home"); !isHidden(m) {
		t.Errorf("at /home is %+v", m)
	}

	if m, _ := s.at("/proc"); m.options != "rw,hidepid=invisible" {
		t.Errorf("at /proc is %+v", m)
	}

	if state, _ := s.privateMounts(); state != Holds {
		t.Errorf("mounts: %s", state)
	}

	if _, ok := s.at("/short"); ok {
		t.Error("a line that is cut off counts")
	}
}

func TestOneMount(t *testing.T) {
	t.Parallel()

	if state, _ := onOneMount(nil); state != CannotTell {
		t.Errorf("without spools: %s", state)
	}

	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "done"), 0o700); err != nil {
		t.Fatal(err)
	}

	if state, detail := onOneMount([]Spool{{Dir: dir}}); state != Holds {
		t.Errorf("%s: %s", state, detail)
	}

	if state, _ := onOneMount([]Spool{{Dir: dir}, {Dir: filepath.Join(dir, "none")}}); state != NotInForce {
		t.Errorf("one that is not there: %s", state)
	}

	if os.Geteuid() != 0 || unix.Mount("none", filepath.Join(dir, "done"), "tmpfs", 0, "") != nil {
		t.Skip("needs to be allowed to mount")
	}

	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(dir, "done"), unix.MNT_DETACH) })

	state, detail := onOneMount([]Spool{{Dir: dir}})
	if state != NotInForce || !strings.Contains(detail, "done is on another mount") {
		t.Errorf("%s: %s", state, detail)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	for _, none := range []string{"", dir} {
		if state, _ := credentials(none); state != CannotTell {
			t.Errorf("%q: %s", none, state)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o400); err != nil {
		t.Fatal(err)
	}

	if state, _ := credentials(dir); state != Holds {
		t.Errorf("one that is there: %s", state)
	}
}
