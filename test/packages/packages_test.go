// Package packages_test shows what is in the packages that scripts/package makes. What
// they do when they are installed is shown in test/systemd.
//
// Nothing runs unless PACKAGES is set, as `make test-packages` does: it takes a minute.
package packages_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// builtVar is where the tests find what was built.
const builtVar = "PACKAGES_BUILT"

// commitTime is the time of all files in what is built here.
const commitTime = "SOURCE_DATE_EPOCH=1700000000"

func TestMain(m *testing.M) {
	if os.Getenv("PACKAGES") == "" {
		fmt.Fprintln(os.Stderr, "tests of the packages do not run: set PACKAGES=1 or use `make test-packages`")
		os.Exit(0)
	}

	os.Exit(runTests(m))
}

// runTests builds the packages and runs the tests.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "importerd-packages-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system clears it too

	if err := os.Setenv(builtVar, dir); err != nil {
		panic(err)
	}

	if err := build("../..", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}

	return m.Run()
}

// build writes packages and archive of a source tree to dir. Which commit it is does
// not count here: a copy of the source knows none.
func build(source, dir string, environ ...string) error {
	for _, script := range []string{"package", "archive"} {
		cmd := exec.Command(filepath.Join(source, "scripts", script))
		cmd.Env = append(os.Environ(), "OUT="+dir, "VERSION=1.2.3", commitTime, "GOFLAGS=-mod=readonly -buildvcs=false")
		cmd.Env = append(cmd.Env, environ...)

		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("scripts/%s: %w\n%s", script, err, out)
		}
	}

	return nil
}

// TestReproducible builds a copy of the source, elsewhere and under other
// circumstances, and expects the same bytes.
func TestReproducible(t *testing.T) {
	t.Parallel()

	source, again := t.TempDir(), t.TempDir()
	copySource(t, source)

	err := build(source, again, "TZ=Asia/Kathmandu", "LC_ALL=C", "HOSTNAME=elsewhere", "LOGNAME=nobody")
	if err != nil {
		t.Fatal(err)
	}

	files := names(t, os.Getenv(builtVar))
	if len(files) != 5 || !slices.Equal(files, names(t, again)) {
		t.Fatalf("built are first %v, then %v", files, names(t, again))
	}

	for _, name := range files {
		if !bytes.Equal(read(t, filepath.Join(os.Getenv(builtVar), name)), read(t, filepath.Join(again, name))) {
			t.Errorf("%s is not the same", name)
		}
	}
}

// copySource copies all files of the source that git knows or would take. Their
// times are those of now, and nobody but the owner may read them.
func copySource(t *testing.T, dir string) {
	t.Helper()

	out, err := exec.CommandContext(t.Context(), "git", "-C", "../..", "-c", "safe.directory=*",
		"ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("git does not say what belongs to the source: %v", err)
	}

	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join("../..", name))
		if err != nil {
			continue // removed, but not committed
		}

		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}

		text := read(t, filepath.Join("../..", name))
		if err := os.WriteFile(filepath.Join(dir, name), text, info.Mode()&0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLintian: Debian's checker has nothing to say.
func TestLintian(t *testing.T) {
	t.Parallel()
	need(t, "lintian")

	for _, name := range built(t, "*.deb") {
		out, err := exec.CommandContext(t.Context(), "lintian", "--allow-root", "--fail-on=error,warning", name).Output()
		if err != nil || len(out) > 0 {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestSameFiles: the packages have all that `make install` installs, which is what
// the archive has.
func TestSameFiles(t *testing.T) {
	t.Parallel()

	installed := list(t, "tar", "-tzf", built(t, "importerd.tar.gz")[0])

	const program = "/usr/bin/importerd"
	if !slices.Contains(installed, program) || len(installed) < 8 {
		t.Fatalf("make install installs but %v", installed)
	}

	for _, kind := range [][]string{{"*.deb", "dpkg-deb", "--fsys-tarfile"}, {"*.rpm", "rpm", "-qlp"}} {
		t.Run(kind[1], func(t *testing.T) {
			t.Parallel()
			need(t, kind[1])

			for _, name := range built(t, kind[0]) {
				packed := list(t, "bash", "-o", "pipefail", "-c", strings.Join(kind[1:], " ")+
					` "$0" | { [[ $0 != *.deb ]] && cat || tar -t; }`, name)

				for _, file := range append(installed, "/etc/importerd/importerd.toml", "/usr/share/doc/importerd/README.md") {
					if !slices.Contains(packed, file) {
						t.Errorf("%s has no %s", filepath.Base(name), file)
					}
				}
			}
		})
	}
}

// list runs a command that lists files, and returns them, without directories, as
// they are called in an .rpm.
func list(t *testing.T, command ...string) []string {
	t.Helper()

	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).Output()
	if err != nil {
		t.Fatalf("%v: %v", command, err)
	}

	var files []string

	for line := range strings.Lines(string(out)) {
		if strings.HasSuffix(line, "/\n") && command[0] == "tar" {
			t.Errorf("the archive has the directory %s", line)
		}

		line = strings.TrimPrefix(strings.TrimSuffix(line, "\n"), ".")
		line = strings.Replace(line, "/usr/local/", "/usr/", 1)
		line = strings.Replace(line, "/vendor-completions/", "/site-functions/", 1)

		if !strings.HasSuffix(line, "/") {
			files = append(files, line)
		}
	}

	return files
}

// TestRPM: rpm finds the packages whole, and what it is told of them.
func TestRPM(t *testing.T) {
	t.Parallel()
	need(t, "rpm")

	for _, name := range built(t, "*.rpm") {
		for _, c := range []struct{ query, want string }{
			{"-K", name + ": digests OK\n"},
			{"-qcp", "/etc/importerd/importerd.toml\n"},
			{"-qp --qf %{VERSION}-%{RELEASE},%{LICENSE},%{BUILDHOST}", "1.2.3-1,Apache-2.0,localhost"},
		} {
			out, err := exec.CommandContext(t.Context(), "rpm", append(strings.Fields(c.query), name)...).CombinedOutput()
			if err != nil || string(out) != c.want {
				t.Errorf("rpm %s: %v: %q, not %q", c.query, err, out, c.want)
			}
		}
	}
}

// built returns what was built with a name that matches. There are two of each
// package: one for each machine.
func built(t *testing.T, pattern string) []string {
	t.Helper()

	found, err := filepath.Glob(filepath.Join(os.Getenv(builtVar), pattern))
	if err != nil || strings.HasPrefix(pattern, "*") && len(found) != 2 || len(found) == 0 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}

	return found
}

// need skips a test without a program.
func need(t *testing.T, program string) {
	t.Helper()

	if _, err := exec.LookPath(program); err != nil {
		t.Skip(program + " is not there")
	}
}

// names returns the names in a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}

	found := make([]string, 0, len(entries))
	for _, e := range entries {
		found = append(found, e.Name())
	}

	return found
}

func read(t *testing.T, path string) []byte {
	t.Helper()

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	return text
}
