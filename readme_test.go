package arch_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"importerd/internal/config"
)

// tested finds the blocks of a page that stand behind a mark.
var tested = regexp.MustCompile("(?ms)^ *<!-- tested -->\n *```(\\w+)\n(.*?)^ *```$")

// blocks returns the tested blocks of one language in a page, without their
// indentation.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()

	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}

	var found []string

	for _, match := range tested.FindAllStringSubmatch(string(text), -1) {
		if match[1] == language {
			indent := match[2][:len(match[2])-len(strings.TrimLeft(match[2], " "))]
			found = append(found, strings.TrimPrefix(strings.ReplaceAll(match[2], "\n"+indent, "\n"), indent))
		}
	}

	if len(found) == 0 {
		t.Fatalf("%s has no tested block of %s", page, language)
	}

	return found
}

func TestReadmeCommands(t *testing.T) {
	t.Parallel()

	for _, block := range blocks(t, "README.md", "sh") {
		spool := filepath.Join(t.TempDir(), "orders")

		cmd := exec.CommandContext(t.Context(), "sh", "-euc", strings.ReplaceAll(block, "/tmp/orders", spool))

		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasSuffix(string(out), "\nfirst.csv\n") {
			t.Errorf("%s\nended with %v and printed\n%s", block, err, out)
		}
	}
}

func TestReadmeConfiguration(t *testing.T) {
	t.Parallel()

	for _, block := range blocks(t, "README.md", "toml") {
		if _, err := config.Parse("README.md", []byte(block)); err != nil {
			t.Error(err)
		}
	}
}

// TestExample: the example of the packages is a configuration as soon as the # are
// taken away.
func TestExample(t *testing.T) {
	t.Parallel()

	code := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAll(packaged(t, "importerd.toml"), []byte("$1"))
	if _, err := config.Parse("importerd.toml", code); err != nil {
		t.Error(err)
	}
}

func TestReadmeUnit(t *testing.T) {
	t.Parallel()

	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not there")
	}

	for _, block := range append(blocks(t, "README.md", "ini"), string(packaged(t, "importerd.service"))) {
		dir := t.TempDir()
		path := filepath.Join(dir, "importerd.service")
		// The program need not be installed here.
		block = regexp.MustCompile(`(?m)^(Exec\w+)=\S+`).ReplaceAllString(block, "$1=/bin/true")

		if err := os.WriteFile(path, []byte(block), 0o600); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(filepath.Join(dir, "importerd.socket"), packaged(t, "importerd.socket"), 0o600); err != nil {
			t.Fatal(err)
		}

		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s\n%v: %s", block, err, out)
		}
	}
}

// packaged returns a file that is installed.
func packaged(t *testing.T, name string) []byte {
	t.Helper()

	text, err := os.ReadFile(filepath.Join("packaging", name))
	if err != nil {
		t.Fatal(err)
	}

	return text
}
