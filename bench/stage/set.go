// Package stage makes the files that the benchmark's contenders handle, and
// delivers them as producers do.
package stage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Set is a directory of files that are made once and lent to one contender after
// the other: to rename a directory costs nothing, and to make files right after
// masses were deleted is slow on ext4.
type Set struct {
	dir   string
	files int
	size  int64
}

// NewSet makes files of size bytes each below dir, on the disk when it returns,
// or finds those that an earlier run has left.
func NewSet(dir string, files int, size int64) (*Set, error) {
	s := &Set{filepath.Join(dir, fmt.Sprintf("set-%d-%d", files, size)), files, size}
	if s.whole() {
		return s, nil
	}

	return s, s.fill()
}

// Name returns the name of file i.
func Name(i int) string { return fmt.Sprintf("file-%07d.csv", i) }

// Dir returns the directory in which the files are while nobody has them.
func (s *Set) Dir() string { return s.dir }

// Files returns how many files there are.
func (s *Set) Files() int { return s.files }

// Lend makes the set's directory the one at path, which must not be there. What
// the disk still had to write is written then.
func (s *Set) Lend(path string) error {
	if err := os.Rename(s.dir, path); err != nil {
		return fmt.Errorf("lend files: %w", err)
	}

	return Flush(path)
}

// TakeBack takes the files back from the directory at path. If some are missing
// the whole set is made anew.
func (s *Set) TakeBack(path string) error {
	if err := os.Rename(path, s.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("take files back: %w", err)
	}

	return s.Renew()
}

// Reclaim takes the files of a stream back from whichever of the directories has
// them all. Names that are not of the set are removed.
func (s *Set) Reclaim(dirs ...string) error {
	for _, dir := range dirs {
		if strays, err := filepath.Glob(filepath.Join(dir, "probe-*")); err == nil {
			for _, stray := range strays {
				_ = os.Remove(stray) // if it stays, the set is made anew
			}
		}

		if n, err := Count(dir); err != nil || n != s.files {
			continue
		}

		if err := os.RemoveAll(s.dir); err != nil {
			return fmt.Errorf("take files back: %w", err)
		}

		return s.TakeBack(dir)
	}

	return s.Renew()
}

// Renew makes the set anew if it is not whole.
func (s *Set) Renew() error {
	if s.whole() {
		return nil
	}

	return s.fill()
}

// whole tells whether all files are there. Their sizes are those with which they
// were made: no contender writes.
func (s *Set) whole() bool {
	n, err := Count(s.dir)

	return err == nil && n == s.files
}

func (s *Set) fill() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove old files: %w", err)
	}

	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}

	content := Content(s.size)
	for i := range s.files {
		if err := os.WriteFile(filepath.Join(s.dir, Name(i)), content, 0o644); err != nil {
			return fmt.Errorf("make file: %w", err)
		}
	}

	return Flush(s.dir)
}

// Content returns size bytes of lines.
func Content(size int64) []byte {
	line := []byte("1,2026-01-01,a line as it may stand in a file,9.99\n")

	return bytes.Repeat(line, int(size)/len(line)+1)[:size]
}

// Flush writes all that the file system of path has to write.
func Flush(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer dir.Close()

	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("flush file system: %w", err)
	}

	return nil
}

// Count returns how many entries a directory has, 0 if it is not there.
func Count(path string) (int, error) {
	dir, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("open directory: %w", err)
	}
	defer dir.Close()

	n := 0

	for {
		names, err := dir.Readdirnames(1024)
		n += len(names)

		if len(names) == 0 || err != nil {
			return n, nil //nolint:nilerr // io.EOF, and what else ends a directory leaves the count too small
		}
	}
}
