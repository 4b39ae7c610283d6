package cgroup

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// dirFlags are those for the directory of a group.
const dirFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// read returns what stands in a file of the group at dir.
func read(dir int, name string) (string, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", name, err)
	}

	defer func() { _ = unix.Close(fd) }()

	var text []byte

	for buf := make([]byte, 4096); ; {
		n, err := unix.Read(fd, buf)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", name, err)
		}

		if text = append(text, buf[:n]...); n == 0 {
			return string(text), nil
		}
	}
}

// write writes into a file of the group at dir, in one call as the kernel wants it.
func write(dir int, name, text string) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}

	_, err = unix.Write(fd, []byte(text))
	_ = unix.Close(fd) // all has happened

	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}

	return nil
}

// children returns the names of the groups below that at dir.
func children(dir int) []string {
	fd, err := unix.Openat(dir, ".", dirFlags, 0) // a place of its own to read from
	if err != nil {
		return nil
	}

	file := os.NewFile(uintptr(fd), ".")
	defer file.Close() // nothing was written through it

	entries, err := file.ReadDir(-1)
	if err != nil {
		return nil
	}

	var names []string

	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}

	return names
}

// remove removes a group, with those that its processes have made below.
func remove(dir int, name string) error {
	err := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	if !errors.Is(err, unix.EBUSY) {
		return err //nolint:wrapcheck // judged by the caller, or told by it
	}

	fd, err := unix.Openat(dir, name, dirFlags, 0)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}

	for _, child := range children(fd) {
		if err = remove(fd, child); err != nil {
			break
		}
	}

	_ = unix.Close(fd)

	if err != nil {
		return err
	}

	return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) //nolint:wrapcheck // as above
}
