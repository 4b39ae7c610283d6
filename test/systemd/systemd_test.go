package systemd_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rootTime is how long the making of a root may take.
const rootTime = 6 * time.Minute

// release is a Debian whose systemd the cases run under.
type release struct{ name, suite string }

// releases are the oldest that is supported, and the newest.
func releases() []release {
	return []release{{"debian12", "bookworm"}, {"debian13", "trixie"}}
}

// mutations are changes of the units, each with the case that has to notice.
func mutations() []struct{ what, script, noticed string } {
	return []struct{ what, script, noticed string }{
		{"KillMode control-group", `/^KillMode=/d`, "drain"},
		{"no watchdog", `/^WatchdogSec=/d`, "watchdog"},
		{"no restart", `/^Restart=/d`, "kill"},
		{"nothing delegated", `/^Delegate=/d`, "cgroup"},
		{"start limit", `/^StartLimitIntervalSec=/d`, "kill"},
		{"restart whatever happens", `/^RestartPreventExitStatus=/d`, "configuration"},
		{"socket stays", `/^RemoveOnStop=/d`, "socket"},
		{"socket for all", `s/^SocketMode=.*/SocketMode=0666/; s/^SocketGroup=.*/SocketGroup=root/`, "socket"},
		{"no socket unit", `s/^ListenStream=.*/ListenStream=127.0.0.1:8080/`, "restarts"},
		{"nowhere to write", `/^ReadWritePaths=/d`, "drain"},
		{"notifications of all", `s/^NotifyAccess=.*/NotifyAccess=all/`, "environment"},
		{"not notified", `s/^Type=.*/Type=simple/`, "recovery"},
		{"journal with a limit", `/^LogRateLimit/d`, "flood"},
		{"homes are seen", `/^ProtectHome=/d`, "sandbox"},
		{"setuid programs", `/^NoNewPrivileges=/d; /^RestrictSUIDSGID=/d`, "sandbox"},
		{"reload by signal", `s|^ExecReload=.*|ExecReload=/bin/kill -HUP $MAINPID|`, "reload"},
		{"mandatory credential", `s|^LoadCredential=.*|LoadCredential=importerd.api-token:/etc/nowhere|`, "drain"},
	}
}

// TestCases runs each case under each release, in two boxes side by side: cases
// wait more than they work.
func TestCases(t *testing.T) {
	t.Parallel()

	for _, r := range releases() {
		for half := range 2 {
			t.Run(fmt.Sprintf("%s-%d", r.name, half+1), func(t *testing.T) {
				t.Parallel()

				b := boot(t, root(t, r))

				for i, name := range cases(t) {
					if i%2 == half {
						t.Run(name, func(t *testing.T) { b.check(t, "cases/"+name) })
					}
				}
			})
		}
	}
}

// check runs a case that has to succeed.
func (b *box) check(t *testing.T, name string) {
	t.Helper()

	out, err := b.run(t.Context(), name, "")
	t.Log(strings.TrimSpace(out))

	if err != nil {
		t.Error(err)
	}
}

// TestMutations takes something out of the units and expects a case to notice.
func TestMutations(t *testing.T) {
	t.Parallel()

	b := boot(t, root(t, releases()[0]))

	for _, m := range mutations() {
		t.Run(m.what, func(t *testing.T) {
			out, err := b.run(t.Context(), "cases/"+m.noticed, m.script)
			if err == nil {
				t.Errorf("case %s has not noticed:\n%s", m.noticed, out)
			}

			line, _, _ := strings.Cut(out[max(0, strings.Index(out, "FAIL: ")):], "\n")
			t.Log(line)
		})
	}
}

// cases returns the names of all cases.
func cases(t *testing.T) []string {
	t.Helper()

	entries, err := os.ReadDir("cases")
	if err != nil {
		t.Fatal(err)
	}

	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}

	return names
}

// root returns the root of a release, made now if it is not in the cache. It skips
// the test where that is not possible.
func root(t *testing.T, r release) string {
	t.Helper()

	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}

	dir := os.Getenv("SYSTEMD_ROOTS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("no place for a Debian root: %v", err)
		}

		dir = filepath.Join(cache, "importerd", "roots")
	}

	// One that was made by another version of the script is another one.
	script, err := os.ReadFile("roots")
	if err != nil {
		t.Fatal(err)
	}

	dir = filepath.Join(dir, fmt.Sprintf("%s-%.4x", r.name, sha256.Sum256(script)))

	if _, err := os.Stat(dir); err == nil {
		return dir
	}

	for _, program := range []string{"mmdebstrap", "unshare", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), rootTime)
	defer cancel()

	cmd := exec.CommandContext(ctx, "./roots", r.suite, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) } // it clears up
	cmd.WaitDelay = groupTime

	if out, err := cmd.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Skipf("no root of %s: %v: %s", r.name, err, lines[len(lines)-1])
	}

	return dir
}
