package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

// maxName is the longest that a spool's name may be.
const maxName = 64

// maxPath is PATH_MAX of the kernel, with the zero byte at the end.
const maxPath = 4096

// errNoName is what is wrong with a name that is none.
var errNoName = fmt.Errorf("write 1 to %d letters, digits, dots, - or _, and not only dots", maxName)

// checkName judges the name of a spool: it stands in logs, metrics and URLs.
func checkName(name string) error {
	odd := func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
	}
	if name == "" || len(name) > maxName || strings.Trim(name, ".") == "" || strings.ContainsFunc(name, odd) {
		return fmt.Errorf("%q is no name for a spool: %w", name, errNoName)
	}

	return nil
}

// needPath is checkPath for a path that must be there.
func needPath(path string) error {
	if path == "" {
		return errors.New("is missing: write the absolute path of a directory")
	}

	return checkPath(path)
}

// checkPath judges the path of a directory; empty means that none was given.
func checkPath(path string) error {
	switch {
	case path == "":
		return nil
	case strings.ContainsRune(path, 0):
		return errors.New("has a zero byte: write a path without one")
	case len(path) >= maxPath:
		return fmt.Errorf("has %d bytes: the kernel takes less than %d", len(path), maxPath)
	case !filepath.IsAbs(path):
		return fmt.Errorf("%q is not absolute: begin it with a slash", path)
	}

	return nil
}

// checkArg judges an element of a command.
func checkArg(i int, arg string) error {
	switch {
	case strings.ContainsRune(arg, 0):
		return errors.New("has a zero byte: no program can be given one")
	case i == 0 && strings.Trim(arg, " ") == "":
		return errors.New("the program is empty: write its path, or its name in PATH")
	case i == 0 && strings.Contains(arg, "{}"):
		return fmt.Errorf("%q: the dropped file cannot be the program: write the program first, then {}", arg)
	case i == 0 && strings.Contains(arg, "/") && !filepath.IsAbs(arg):
		return fmt.Errorf("%q is neither absolute nor a name in PATH: begin it with a slash", arg)
	}

	return nil
}

// checkWorkerArg judges an element of a worker's command.
func checkWorkerArg(i int, arg string) error {
	if i > 0 && arg == "{}" {
		return errors.New("{} is for commands: a worker reads from its standard input which files it is given")
	}

	return checkArg(i, arg)
}

// checkGlob judges a pattern for names.
func checkGlob(_ int, glob string) error {
	switch {
	case glob == "":
		return errors.New(`the pattern is empty: write one as "*.csv"`)
	case strings.ContainsRune(glob, '/'):
		return fmt.Errorf("%q has a slash: patterns are for names, without directories", glob)
	}

	return CheckPattern(glob)
}

// checkMarker judges the suffix of marker files.
func checkMarker(suffix string) error {
	if suffix == "" || len(suffix) > maxName ||
		strings.ContainsFunc(suffix, func(r rune) bool { return r == '/' || unicode.IsControl(r) }) {
		return fmt.Errorf("%q is no suffix: write one as .done, up to %d bytes, without a slash", suffix, maxName)
	}

	return nil
}

// checkEnv judges a variable for the command.
func checkEnv(key, value string) error {
	if key == "" || strings.ContainsAny(key, "=\x00") {
		return fmt.Errorf("%q is no name of a variable: write one without =", key)
	}

	for _, ours := range []string{"IMPORTERD_", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "CREDENTIALS_"} {
		if strings.HasPrefix(key, ours) {
			return fmt.Errorf("%q is never given to a command by env: names may not begin with %s", key, ours)
		}
	}

	if strings.ContainsRune(value, 0) {
		return fmt.Errorf("%q has a zero byte: no program can be given one", key)
	}

	return nil
}

// needed is a list that must not be empty if it is given.
type needed struct{ list }

func (n needed) load(v any) error {
	if err := n.list.load(v); err != nil {
		return err
	}

	if len(*n.p) == 0 {
		return errors.New("is missing: write the program and its arguments")
	}

	return nil
}
