package arch_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"importerd/internal/config"
)

// example is a tested block of a page: commands, and what they print.
type example struct{ commands, prints string }

// shown finds the tested blocks of a page, each with the block of what it prints
// if that stands right behind it.
var shown = regexp.MustCompile("(?ms)^<!-- tested -->\n```sh\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?")

// exampleTime bounds how long the examples of a page may take.
const exampleTime = 5 * time.Minute

// TestPages runs the examples of each page in one shell, in their order, as a
// reader would who copies them, and compares what they print. In the page … stands
// for anything within a line.
func TestPages(t *testing.T) {
	t.Parallel()

	bin := filepath.Join(t.TempDir(), "bin")

	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+"/", "./cmd/importerd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	for _, page := range []string{"docs/api.md", "docs/monitoring.md", "docs/workers.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()

			for _, name := range []string{"curl", "python3"} {
				if _, err := exec.LookPath(name); err != nil {
					t.Skip(name + " is not there")
				}
			}

			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}

			var examples []example
			for _, match := range shown.FindAllStringSubmatch(string(text), -1) {
				examples = append(examples, example{match[1], match[2]})
			}

			if len(examples) == 0 || len(examples) != strings.Count(string(text), "<!-- tested -->\n```sh\n") {
				t.Fatalf("%d examples found", len(examples))
			}

			checkExamples(t, bin, examples)

			for _, block := range blocks(t, page, "toml") {
				if _, err := config.Parse(page, []byte(block)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// checkExamples runs the examples and compares what they print.
func checkExamples(t *testing.T, bin string, examples []example) {
	t.Helper()

	const border = "---- the end of an example ----"

	var script strings.Builder

	script.WriteString("set -eu\n")

	for _, e := range examples {
		script.WriteString(e.commands + "echo; echo '" + border + "'\n")
	}

	dir := t.TempDir()

	ctx, cancel := context.WithTimeout(t.Context(), exampleTime)
	defer cancel()

	cmd := exec.CommandContext(ctx, "bash", "-c",
		"trap 'code=$?; set +e; kill $(jobs -p); sleep 0.2; kill $(jobs -p); wait; exit $code' EXIT\n"+
			strings.ReplaceAll(script.String(), "/tmp/", dir+"/"))
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.WaitDelay = time.Minute

	out, err := cmd.CombinedOutput() // an example that fails ends the shell early
	if err != nil {
		t.Errorf("the shell ended with %v\n%s", err, out)
	}

	printed := strings.Split(string(out), "\n"+border+"\n")

	for i, e := range examples {
		if i >= len(printed) || i == len(printed)-1 {
			t.Fatalf("%s\nprinted\n%s", e.commands, printed[len(printed)-1])
		}

		want := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(e.prints)), "…", ".*")
		if !regexp.MustCompile(`^` + want + `$`).MatchString(strings.TrimSpace(strings.ReplaceAll(printed[i], "\r", ""))) {
			t.Errorf("%s\nprinted\n%s\nthe page says\n%s", e.commands, printed[i], e.prints)
		}
	}
}
