package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultPath is where programs are looked for if the environment has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// find returns the absolute path of the program. Relative directories in PATH
// are passed over: what a command is must not depend on where it runs.
func (b *base) find() (string, error) {
	if filepath.IsAbs(b.program) {
		return b.program, nil
	}

	path := b.path
	if path == "" {
		path = defaultPath
	}

	err := fmt.Errorf("program %q in PATH %q: %w", b.program, path, unix.ENOENT)

	for dir := range strings.SplitSeq(path, ":") {
		if !filepath.IsAbs(dir) {
			continue
		}

		candidate := filepath.Join(dir, b.program)

		switch e := executable(candidate); {
		case e == nil:
			return candidate, nil
		case errors.Is(e, unix.EACCES):
			err = fmt.Errorf("program %q: %w", candidate, e)
		}
	}

	return "", err
}

// executable says why the file at path cannot be a program, as far as its type
// and permissions tell.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err //nolint:wrapcheck // a bare errno, told by the caller
	}

	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return unix.ENOENT
	}

	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) //nolint:wrapcheck // as above
}

// explain returns err, with which the kernel refused to start program in dir,
// as a person needs it: the kernel says "no such file or directory" of four
// different things. The errno stays in the chain.
func explain(program, dir string, err error) error {
	if dirErr := enterable(dir); dirErr != nil {
		return fmt.Errorf("working directory %q: %w", dir, dirErr)
	}

	hint := ""

	switch {
	case errors.Is(err, unix.ENOENT) && executable(program) == nil:
		hint = " (its interpreter may be missing" + interpreter(program) + ")"
	case errors.Is(err, unix.ENOEXEC):
		hint = " (not a program for this machine, or a script without a #! line?)"
	case errors.Is(err, unix.EACCES):
		hint = " (not executable for us, or on a file system mounted noexec)"
	}

	return fmt.Errorf("program %q: %w%s", program, err, hint)
}

// enterable says why dir cannot be a working directory; nil: it can.
func enterable(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err //nolint:wrapcheck // a bare errno, told by the caller
	}

	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}

	return unix.Faccessat(unix.AT_FDCWD, dir, unix.X_OK, unix.AT_EACCESS) //nolint:wrapcheck // as above
}

// interpreter returns ": " and the interpreter that the script at path names,
// quoted, so that a carriage return at the end of the line shows; empty if path
// is no script.
func interpreter(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()

	start := make([]byte, 256)
	n, _ := io.ReadFull(file, start) // shorter is as good

	rest, isScript := bytes.CutPrefix(start[:n], []byte("#!"))
	if !isScript {
		return ""
	}

	line, _, _ := bytes.Cut(rest, []byte("\n"))
	name, _, _ := bytes.Cut(bytes.TrimLeft(line, " \t"), []byte(" "))

	return fmt.Sprintf(": %q", name)
}
