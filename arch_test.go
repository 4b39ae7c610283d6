// Package arch_test checks that the packages depend on each other as
// ARCHITECTURE.md says, and that what is reserved for one place stays there.
package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "importerd/"

// architecture is the map: each package and which of ours it may import. A new
// package needs a line here and in ARCHITECTURE.md.
//
//nolint:gochecknoglobals // a table that nobody writes to
var architecture = []struct{ name, imports string }{
	{"cmd/importerd", "app, config, control/client, control/wire, handler/enter, journal, sandbox, spool, job, systemd"},
	{"app", "process, watch, keep, spool, journal, handler, handler/cgroup, handler/command, handler/worker, drain, " +
		"systemd, config, " +
		"control, control/metrics, control/monitor, control/wire, job"},
	{"process", "handler, job"},
	{"handler/cgroup", "handler/enter"},
	{"handler/command", "handler, handler/cgroup, job"},
	{"handler/enter", "nothing"},
	{"handler/worker", "handler, handler/command, job"},
	{"handler", "job"},
	{"watch", "job"},
	{"keep", "job"},
	{"spool", "job"},
	{"journal", "job"},
	{"control", "control/guard, control/listing, control/reply, control/upload, control/wire, job"},
	{"control/client", "control/wire, job"},
	{"control/guard", "control/wire"},
	{"control/listing", "config, control/reply, job"},
	{"control/metrics", "control/wire, job"},
	{"control/monitor", "control/wire, job"},
	{"control/reply", "config, control/wire, job"},
	{"control/upload", "control/reply"},
	{"control/wire", "job"},
	{"config", "nothing"},
	{"drain", "nothing"},
	{"sandbox", "handler/cgroup, job"},
	{"systemd", "nothing"},
	{"job", "nothing"},
	{"bench", "bench/build, bench/machine, bench/plan, bench/report, bench/result, bench/trial"},
	{"bench/report", "bench/plan, bench/result, bench/stat, bench/trial"},
	{"bench/plan", "bench/result, bench/stage, bench/trial"},
	{"bench/result", "bench/machine, bench/trial"},
	{"bench/trial", "bench/stage, bench/stat"},
	{"bench/stage", "nothing"},
	{"bench/stat", "nothing"},
	{"bench/machine", "nothing"},
	{"bench/build", "nothing"},
	{"bench/bare", "nothing"},
	{"bench/handler", "nothing"},
}

// commandOnly are the imports that belong to the command line.
//
//nolint:gochecknoglobals // a table that nobody writes to
var commandOnly = []string{"os/signal", "flag", "github.com/spf13/cobra", "github.com/spf13/pflag"}

// reserved are the selectors that may occur only below some directories.
//
//nolint:gochecknoglobals // a table that nobody writes to
var reserved = []struct {
	selector *regexp.Regexp
	dirs     []string
	why      string
}{
	{
		regexp.MustCompile(`\.(Rename|Link|Renameat2?|Linkat)$`),
		[]string{"internal/spool", "bench"},
		"a change of state is a rename: one package makes them all",
	},
	{
		regexp.MustCompile(`^os\.(Getenv|LookupEnv|Environ)$`),
		[]string{"cmd", "internal/systemd", "bench"},
		"what the process was given is the command's business; systemd reads its own variables when told to",
	},
	{
		regexp.MustCompile(`^os\.Exit$`),
		[]string{"cmd", "bench"},
		"how the process ends is the command's business",
	},
}

func TestImports(t *testing.T) {
	t.Parallel()

	for dir, files := range sources(t) {
		name := strings.TrimPrefix(dir, "internal/")

		i := slices.IndexFunc(architecture, func(p struct{ name, imports string }) bool { return p.name == name })
		if i < 0 {
			t.Errorf("package %s is not in the map: add it here and in ARCHITECTURE.md", name)
			continue
		}

		for _, file := range files {
			for _, spec := range file.Imports {
				checkImport(t, architecture[i].name, architecture[i].imports, strings.Trim(spec.Path.Value, `"`))
			}
		}
	}
}

func checkImport(t *testing.T, name, allowed, imported string) {
	t.Helper()

	if slices.Contains(commandOnly, imported) && !strings.HasPrefix(name, "cmd/") && !strings.HasPrefix(name, "bench") {
		t.Errorf("%s imports %s, which only commands may", name, imported)
	}

	imported, ours := strings.CutPrefix(imported, module)
	imported = strings.TrimPrefix(imported, "internal/")

	if ours && !slices.Contains(strings.Split(allowed, ", "), imported) {
		t.Errorf("%s imports %s: it may import %s", name, imported, allowed)
	}
}

func TestReservedCalls(t *testing.T) {
	t.Parallel()

	for dir, files := range sources(t) {
		for _, file := range files {
			for n := range ast.Preorder(file) {
				checkReserved(t, dir, n)
			}
		}
	}
}

func checkReserved(t *testing.T, dir string, n ast.Node) {
	t.Helper()

	selector, ok := n.(*ast.SelectorExpr)
	if !ok {
		return
	}

	// Other things than an identifier before the dot (a call, a field) count as "x".
	text := "x." + selector.Sel.Name
	if x, ok := selector.X.(*ast.Ident); ok {
		text = x.Name + "." + selector.Sel.Name
	}

	if strings.HasPrefix(text, "fsnotify.") {
		return // names of events
	}

	for _, r := range reserved {
		below := func(top string) bool { return strings.HasPrefix(dir+"/", top+"/") }

		if r.selector.MatchString(text) && !slices.ContainsFunc(r.dirs, below) {
			t.Errorf("%s uses %s, reserved for %s: %s", dir, text, strings.Join(r.dirs, ", "), r.why)
		}
	}
}

func TestArchitecturePageShowsTheMap(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}

	shown := regexp.MustCompile(`(?m)^(\S+) +→ (.+)$`).FindAllStringSubmatch(string(page), -1)
	if len(shown) != len(architecture) {
		t.Errorf("ARCHITECTURE.md shows %d packages, the map here has %d", len(shown), len(architecture))
	}

	for i, line := range shown[:min(len(shown), len(architecture))] {
		if want := architecture[i]; line[1] != want.name || line[2] != want.imports {
			t.Errorf("ARCHITECTURE.md shows %q, the map here says %s → %s", line[0], want.name, want.imports)
		}
	}
}

// sources parses all our Go files that are not tests, by directory.
func sources(t *testing.T) map[string][]*ast.File {
	t.Helper()

	packages := map[string][]*ast.File{}
	fset := token.NewFileSet()

	for _, top := range []string{"cmd", "internal", "bench"} {
		err := filepath.WalkDir(top, func(name string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}

			file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			packages[path.Dir(name)] = append(packages[path.Dir(name)], file)

			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	if len(packages) == 0 {
		t.Fatal("no sources found: the test does not run at the root of the repository")
	}

	return packages
}
