package arch_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"importerd/internal/config"
)

var (
	// longOption finds options in a page.
	longOption = regexp.MustCompile(`--[a-z][a-z-]*`)
	// shortOption finds those of one letter, which stand in bold.
	shortOption = regexp.MustCompile(`\*\*(-[a-z])\*\*`)
	// keyEntry finds what says what a key means.
	keyEntry = regexp.MustCompile(`(?m)^\*\*(\w+)\*\* = (.*)$`)
	// partKey finds the keys within a table that is a value.
	partKey = regexp.MustCompile(`(\w+) = `)
	// possible finds what the program offers instead of an unknown key.
	possible = regexp.MustCompile(`possible here: ([\w, ]+)`)
)

// TestManCommands: importerd(8) has a section for each command, which names all
// options that the command has, and no other.
func TestManCommands(t *testing.T) {
	t.Parallel()

	bin := filepath.Join(t.TempDir(), "importerd")

	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/importerd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	described, rest := manSections(t, "packaging/man/importerd.8.md")
	always := append(offered(t, bin, "-"), "--help", "-h")
	all := slices.Clone(always)

	for _, command := range offered(t, bin, "") {
		text, found := described[command]
		if !found {
			t.Errorf("importerd(8) has no section on %s", command)
		}

		options := offered(t, bin, command, "-")
		all = append(all, options...)
		checkOptions(t, command, text, options, always)
		delete(described, command)
	}

	for command := range described {
		t.Errorf("importerd(8) has a section on %s, which is no command", command)
	}

	for _, option := range longOption.FindAllString(rest, -1) {
		if !slices.Contains(all, option) {
			t.Errorf("importerd(8) names %s, which no command has", option)
		}
	}

	checkLetters(t, all)
}

// checkOptions compares the options that the text on a command names with those that
// it has; always are those that need not be named.
func checkOptions(t *testing.T, command, text string, has, always []string) {
	t.Helper()

	named := longOption.FindAllString(text, -1)

	for _, option := range has {
		if longOption.MatchString(option) && !slices.Contains(named, option) && !slices.Contains(always, option) {
			t.Errorf("importerd(8) does not say that %s has %s", command, option)
		}
	}

	for _, option := range named {
		if !slices.Contains(has, option) && !slices.Contains(always, option) {
			t.Errorf("importerd(8) says that %s has %s", command, option)
		}
	}
}

// checkLetters compares the options of one letter with those of importerd(8).
func checkLetters(t *testing.T, options []string) {
	t.Helper()

	page, err := os.ReadFile("packaging/man/importerd.8.md")
	if err != nil {
		t.Fatal(err)
	}

	named := map[string]bool{}
	for _, match := range shortOption.FindAllStringSubmatch(string(page), -1) {
		named[match[1]] = true
	}

	has := map[string]bool{}

	for _, option := range options {
		if len(option) == len("-c") {
			has[option] = true
		}
	}

	if !maps.Equal(named, has) {
		t.Errorf("importerd(8) has the letters %v, the program %v", named, has)
	}
}

// manSections returns the sections of a page that are about a command, by its name,
// and all that is not in them.
func manSections(t *testing.T, page string) (map[string]string, string) {
	t.Helper()

	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}

	sections, rest := map[string]string{}, ""

	for part := range strings.SplitSeq(string(text), "\n# ") {
		for i, section := range strings.Split(part, "\n## ") {
			if i == 0 {
				rest += section

				continue
			}

			heading, body, _ := strings.Cut(section, "\n")
			for command := range strings.SplitSeq(heading, ", ") {
				sections[command] = body
			}
		}
	}

	return sections, rest
}

// offered returns what the program offers a shell for the last of the arguments.
func offered(t *testing.T, bin string, args ...string) []string {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), bin, append([]string{"__completeNoDesc"}, args...)...)

	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}

	words, _, _ := strings.Cut(string(out), "\n:")
	if strings.HasPrefix(words, ":") {
		return nil
	}

	return strings.Split(words, "\n")
}

// TestManKeys: importerd.toml(5) says what each key of the configuration means, and
// of no other.
func TestManKeys(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("packaging/man/importerd.toml.5.md")
	if err != nil {
		t.Fatal(err)
	}

	_, keys, _ := strings.Cut(string(text), "\n# THE API\n")
	top, spool, _ := strings.Cut(keys, "\n# A SPOOL\n")

	tops := possibleKeys(t, "%s = 1")
	compareKeys(t, top, "", slices.DeleteFunc(tops, func(key string) bool { return key == "spool" }))
	compareKeys(t, spool, "[spool.x]\n", possibleKeys(t, "[spool.x]\n%s = 1"))

	var example strings.Builder

	for line := range strings.Lines(string(text)) {
		if code, found := strings.CutPrefix(line, "    "); found {
			example.WriteString(code)
		}
	}

	if _, err := config.Parse("importerd.toml.5.md", []byte(example.String())); err != nil {
		t.Error(err)
	}
}

// compareKeys compares the entries of a part of the page with the keys that there
// are below table, and the keys within their values.
func compareKeys(t *testing.T, text, table string, keys []string) {
	t.Helper()

	entries := map[string][]string{}

	for _, match := range keyEntry.FindAllStringSubmatch(text, -1) {
		entries[match[1]] = []string{}

		for _, part := range partKey.FindAllStringSubmatch(match[2], -1) {
			entries[match[1]] = append(entries[match[1]], part[1])
		}
	}

	for _, key := range keys {
		named, found := entries[key]
		if !found {
			t.Errorf("importerd.toml(5) does not say what %s means", key)
		}

		delete(entries, key)

		parts := possibleKeys(t, table+key+" = { %s = 1 }")
		slices.Sort(named)

		if len(parts) > 0 && !slices.Equal(named, parts) {
			t.Errorf("importerd.toml(5) says that %s has %v, but it has %v", key, named, parts)
		}
	}

	for key := range entries {
		t.Errorf("importerd.toml(5) tells of %s, which is no key", key)
	}
}

// possibleKeys returns the keys that the program offers, sorted, where a file has one
// that it does not know; %s in text is that key.
func possibleKeys(t *testing.T, text string) []string {
	t.Helper()

	_, err := config.Parse("test", []byte(strings.ReplaceAll(text, "%s", "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq")))
	if err == nil {
		t.Fatalf("%s is no mistake", text)
	}

	match := possible.FindStringSubmatch(err.Error())
	if match == nil {
		return nil
	}

	return slices.Sorted(strings.SplitSeq(match[1], ", "))
}

// TestManPages: what is made of the pages is fit for those who read it.
func TestManPages(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	if out, err := exec.CommandContext(t.Context(), "scripts/man", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	pages, err := filepath.Glob(dir + "/*.gz")
	if err != nil || len(pages) != 2 {
		t.Fatalf("%v, %v", pages, err)
	}

	if out, err := exec.CommandContext(t.Context(), "gunzip", pages...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	for _, reader := range []string{"man --warnings -E UTF-8 -Tutf8 -Z -l", "mandoc -Tlint -Wwarning"} {
		words := strings.Fields(reader)

		t.Run(words[0], func(t *testing.T) {
			t.Parallel()

			if _, err := exec.LookPath(words[0]); err != nil {
				t.Skip(words[0] + " is not there")
			}

			for _, page := range pages {
				checkPage(t, append(words, strings.TrimSuffix(page, ".gz")))
			}
		})
	}
}

// checkPage reads a page by a program that complains where it is odd.
func checkPage(t *testing.T, reader []string) {
	t.Helper()

	var complaints strings.Builder

	cmd := exec.CommandContext(t.Context(), reader[0], reader[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.Stderr = &complaints

	if reader[0] == "mandoc" { // which prints them
		cmd.Stdout = &complaints
	}

	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("%v: %v\n%s", reader, err, complaints.String())
	}
}
