package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// writer is a process that has a file open for writing.
type writer struct {
	PID     int    `json:"pid"`
	Command string `json:"command,omitempty"`
}

// String names it for people.
func (w writer) String() string {
	if w.Command == "" {
		return fmt.Sprintf("pid %d", w.PID)
	}

	return fmt.Sprintf("pid %d (%s)", w.PID, w.Command)
}

// writersOf returns the processes that have the file at path open for writing, as far as
// we may see: who is not root sees only his own.
func writersOf(path string) []writer {
	var file unix.Stat_t
	if unix.Lstat(path, &file) != nil {
		return nil
	}

	entries, _ := os.ReadDir("/proc") // without it nothing can be told

	var all []writer

	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && writes(filepath.Join("/proc", entry.Name()), &file) {
			name, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "comm")) // it may be gone
			all = append(all, writer{pid, strings.TrimSpace(string(name))})
		}
	}

	return all
}

// writes says whether the process below proc has the file open for writing.
func writes(proc string, file *unix.Stat_t) bool {
	entries, _ := os.ReadDir(filepath.Join(proc, "fd")) // not ours to see

	for _, entry := range entries {
		var at unix.Statx_t

		// Nothing may hang on a file system that does not answer.
		err := unix.Statx(unix.AT_FDCWD, filepath.Join(proc, "fd", entry.Name()),
			unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_INO, &at)
		if err == nil && at.Ino == file.Ino && unix.Mkdev(at.Dev_major, at.Dev_minor) == file.Dev &&
			forWriting(filepath.Join(proc, "fdinfo", entry.Name())) {
			return true
		}
	}

	return false
}

// forWriting says whether a descriptor, whose fdinfo is at path, may be written to.
func forWriting(path string) bool {
	text, _ := os.ReadFile(path) // closed meanwhile

	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, err := strconv.ParseInt(strings.TrimSpace(value), 8, 64)

			return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY && flags&unix.O_PATH == 0
		}
	}

	return false
}
