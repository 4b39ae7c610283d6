// Package machine describes where the benchmark ran: without that its figures
// mean nothing.
package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is what decides about the figures.
type Machine struct {
	CPU         string `json:"cpu"`
	CPUs        int    `json:"cpus"`
	Memory      string `json:"memory"`
	Kernel      string `json:"kernel"`
	FileSystem  string `json:"file_system"`
	Device      string `json:"device"`
	Mount       string `json:"mount"` // its options
	Go          string `json:"go"`
	Commit      string `json:"commit"`
	EventsQueue string `json:"events_queue"` // fs.inotify.max_queued_events
}

// ErrNoDisk means that a directory is not on a disk, so that nothing durable
// could be measured there.
var ErrNoDisk = errors.New("not on a disk")

// Describe describes the machine and the file system of dir.
func Describe(dir string) (Machine, error) {
	m := Machine{
		CPU:         after("/proc/cpuinfo", "model name"),
		CPUs:        runtime.NumCPU(),
		Memory:      memory(),
		Go:          runtime.Version(),
		Commit:      commit(),
		EventsQueue: strings.TrimSpace(content("/proc/sys/fs/inotify/max_queued_events")),
	}

	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		m.Kernel = string(bytes.TrimRight(name.Release[:], "\x00"))
	}

	return m, m.find(dir)
}

// find fills in the file system that holds dir: the mount of its device that is
// the last one in the kernel's list.
func (m *Machine) find(dir string) error {
	var at unix.Stat_t
	if err := unix.Stat(dir, &at); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}

	device := fmt.Sprintf("%d:%d", unix.Major(at.Dev), unix.Minor(at.Dev))

	for line := range strings.Lines(content("/proc/self/mountinfo")) {
		mount, rest, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(mount), strings.Fields(rest)

		if len(left) > 5 && len(right) > 2 && left[2] == device {
			m.FileSystem, m.Device, m.Mount = right[0], right[1], right[2]
		}
	}

	switch m.FileSystem {
	case "tmpfs", "ramfs", "":
		return fmt.Errorf("%s (%s): %w", dir, m.FileSystem, ErrNoDisk)
	}

	return nil
}

// memory returns how much there is.
func memory() string {
	kib, err := strconv.Atoi(strings.TrimSuffix(after("/proc/meminfo", "MemTotal"), " kB"))
	if err != nil {
		return "unknown"
	}

	return fmt.Sprintf("%.1f GiB", float64(kib)/(1<<20))
}

// after returns what stands behind the first line's colon that begins with key.
func after(path, key string) string {
	for line := range strings.Lines(content(path)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}

	return "unknown"
}

func content(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}

	return string(text)
}

// commit returns what is measured, with a mark if the tree has been changed since.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}

	return strings.TrimSpace(string(out))
}
