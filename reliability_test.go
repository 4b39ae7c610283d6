package arch_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReliabilityNamesTests: each test that docs/reliability.md names is there.
func TestReliabilityNamesTests(t *testing.T) {
	t.Parallel()

	page, err := os.ReadFile("docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}

	var all strings.Builder

	root := os.DirFS(".")

	err = fs.WalkDir(root, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}

		text, err := fs.ReadFile(root, name)
		all.Write(text)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	names := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(page), -1)
	if len(names) == 0 {
		t.Error("the page names no test")
	}

	for _, name := range names {
		if !strings.Contains(all.String(), "func "+name+"(") {
			t.Errorf("docs/reliability.md names %s, which is not there", name)
		}
	}
}
