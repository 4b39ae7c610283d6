package arch_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// completionTime bounds how long a shell may take.
const completionTime = 2 * time.Minute

// TestCompletions: the shells complete what they are told by `importerd completion`.
func TestCompletions(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	build := exec.CommandContext(t.Context(), "make", "-s", "build", "completions", "BIN="+dir)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	// zsh goes by the name of the file.
	if err := os.Symlink("zsh", filepath.Join(dir, "completions", "_importerd")); err != nil {
		t.Fatal(err)
	}

	for shell, options := range map[string]string{"bash": "--norc", "zsh": "-f", "fish": "--no-config"} {
		script := filepath.Join(dir, "completions", shell)
		if shell == "zsh" {
			script = filepath.Join(dir, "completions", "_importerd")
		}

		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			needShell(t, shell)

			for _, c := range []struct{ line, offers string }{
				{"importerd stat", "status"},
				{"importerd run --log-l", "--log-level"},
				{"importerd run --log-format j", "json"},
				{"importerd jobs --state term", "terminated"},
			} {
				checkCompletion(t, dir, []string{shell, options, "testdata/shell/" + shell, script}, c.line, c.offers)
			}
		})
	}
}

// needShell skips where a shell, or what completes in it, is not there.
func needShell(t *testing.T, shell string) {
	t.Helper()

	if _, err := exec.LookPath(shell); err != nil {
		t.Skip(shell + " is not there")
	}

	if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); shell == "bash" && err != nil {
		t.Skip("bash-completion is not there")
	}
}

// checkCompletion has a shell complete a line.
func checkCompletion(t *testing.T, dir string, shell []string, line, offers string) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), completionTime)
	defer cancel()

	cmd := exec.CommandContext(ctx, shell[0], append(shell[1:], strings.Fields(line)...)...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "WANT="+offers, "HOME="+dir)
	cmd.WaitDelay = time.Minute

	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), offers) {
		t.Errorf("%s offers for %q not %q, but %q (%v)", shell[0], line, offers, out, err)
	}
}
