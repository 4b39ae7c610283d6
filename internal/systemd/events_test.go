package systemd

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEvents keeps the messages of the log, the table of ids, the catalog and the page
// in step.
func TestEvents(t *testing.T) {
	t.Parallel()

	catalog, page, code := text(t, "../../packaging/importerd.catalog"), text(t, "../../docs/systemd.md"), sources(t)
	seen := map[string]bool{}

	for _, e := range events {
		if seen[e.id] || seen[e.message] || !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(e.id) {
			t.Errorf("%s: id %s is no id of its own", e.message, e.id)
		}

		seen[e.id], seen[e.message] = true, true

		if n := strings.Count(catalog, "-- "+e.id+"\nSubject: "); n != 1 {
			t.Errorf("%s: the catalog has its id %d times", e.message, n)
		}

		if row := "| `" + e.id + "` | " + e.message + " |\n"; strings.Count(page, row) != 1 {
			t.Errorf("docs/systemd.md has not: %s", row)
		}

		if !regexp.MustCompile(used(e.message)).MatchString(code) {
			t.Errorf("nobody logs %q", e.message)
		}
	}

	for _, found := range regexp.MustCompile(`(?m)^-- ([0-9a-f]+)$`).FindAllStringSubmatch(catalog, -1) {
		if !seen[found[1]] {
			t.Errorf("the catalog explains %s, which is nobody's", found[1])
		}
	}
}

// TestCatalogFields: the fields that the catalog names are some that are logged.
func TestCatalogFields(t *testing.T) {
	t.Parallel()

	catalog, code := text(t, "../../packaging/importerd.catalog"), sources(t)

	for _, found := range regexp.MustCompile(`@([A-Z_]+)@`).FindAllStringSubmatch(catalog, -1) {
		key := strings.ToLower(strings.TrimPrefix(found[1], fieldPrefix))
		if key != "err" && !regexp.MustCompile(`\.\s*[A-Z]\w+\("`+key+`",|"`+key+`":%`).MatchString(code) {
			t.Errorf("nobody logs %s", found[1])
		}
	}
}

// used is a pattern of the ways in which a message is logged: the argument of a call, a
// value that is returned, or in a line that is JSON already.
func used(message string) string {
	m := regexp.QuoteMeta(`"` + message + `"`)

	return `Msg\(` + m + `\)|Level, ` + m + `|"message":` + m
}

// sources returns all our code but the table.
func sources(t *testing.T) string {
	t.Helper()

	var all strings.Builder

	for _, top := range []string{"../../internal", "../../cmd"} {
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") ||
				slices.Contains([]string{"events.go", "message.go"}, entry.Name()) {
				return err
			}

			all.WriteString(text(t, path))

			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	return all.String()
}

// text reads a file.
func text(t *testing.T, path string) string {
	t.Helper()

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	return string(content)
}
