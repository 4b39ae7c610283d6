package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// lend copies the rpm of this machine, with all that it needs, into a directory.
const lend = `
mkdir -p "$1/lib"
cp "$(command -v rpm)" "$1/rpm"
ldd "$1/rpm" | grep -o '/[^ ]*' | xargs cp -L -t "$1/lib"
cp -rL /usr/lib/rpm "$1/conf"
chmod -R u=rwX,go=rX "$1"
`

// TestPackage installs, upgrades and removes: the .deb, the .rpm, and what README.md
// does by scp.
func TestPackage(t *testing.T) {
	t.Parallel()

	for _, r := range releases() {
		root(t, r) // or skip before building anything
	}

	dir := os.Getenv(shareVar)

	makeFor(t, "package", "VERSION=1", "OUT="+dir)
	makeFor(t, "package", "VERSION=2", "OUT="+dir)
	makeFor(t, "archive", "OUT="+dir)

	if _, err := exec.LookPath("rpm"); err != nil {
		t.Log("rpm is not there: the .rpm is not tried")
	} else if out, err := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", lend, "bash",
		filepath.Join(dir, "rpm")).CombinedOutput(); err != nil {
		t.Fatalf("lend rpm: %v\n%s", err, out)
	}

	for _, r := range releases() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()

			b := boot(t, root(t, r))

			for _, way := range []string{"deb", "rpm", "scp"} {
				t.Run(way, func(t *testing.T) { b.check(t, "packages/"+way) })
			}
		})
	}
}

// makeFor runs one of our scripts for the machine that runs the test.
func makeFor(t *testing.T, script string, environ ...string) {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), filepath.Join("../../scripts", script))
	cmd.Env = append(os.Environ(), environ...)

	if script == "package" {
		cmd.Args = append(cmd.Args, runtime.GOARCH)
	}

	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
