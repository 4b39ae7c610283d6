package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Place is where a cgroup is.
type Place struct {
	Dir  string // in the file system
	name string // as the kernel calls it, from the root of our cgroup namespace
}

// Own returns the cgroup in which this process is.
func Own() (Place, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Place{}, fmt.Errorf("own cgroup: %w", err)
	}

	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Place{}, fmt.Errorf("own cgroup: %w", err)
	}

	name, ok := ownName(string(own))
	if !ok {
		return Place{}, errors.New("the kernel has no cgroups of version 2")
	}

	pid := strconv.Itoa(os.Getpid())

	for _, dir := range dirsOf(string(mounts), name) {
		// Only so it is sure that mount and name go together: namespaces may differ.
		procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err == nil && slices.Contains(strings.Fields(string(procs)), pid) {
			return Place{Dir: dir, name: name}, nil
		}
	}

	return Place{}, fmt.Errorf("cgroup %s is not to be seen in any mount of cgroup2", name)
}

// ownName returns the name in /proc/self/cgroup, where version 2 has the number 0 and
// no controllers.
func ownName(text string) (string, bool) {
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return name, true
		}
	}

	return "", false
}

// dirsOf returns where a cgroup can be in the file system, by /proc/self/mountinfo:
// "36 25 0:30 /root /mount/point rw,nosuid shared:1 - cgroup2 cgroup2 rw".
func dirsOf(mountinfo, name string) []string {
	var dirs []string

	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")

		if len(fields) < 6 || dash < 0 || dash+1 >= len(fields) || fields[dash+1] != "cgroup2" {
			continue
		}

		rest, below := strings.CutPrefix(name, strings.TrimSuffix(unescape(fields[3]), "/"))
		if below && (rest == "" || strings.HasPrefix(rest, "/")) {
			dirs = append(dirs, filepath.Join(unescape(fields[4]), rest))
		}
	}

	return dirs
}

// unescape undoes what the kernel does to blanks in mountinfo.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// Delegated says why the cgroup is not ours to manage, and what to do; nil: it is.
func (p Place) Delegated() error {
	var value [8]byte

	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		n, err := unix.Getxattr(p.Dir, name, value[:])
		if err == nil && string(value[:n]) == "1" {
			return nil
		}
	}

	// Only the root of all has no type. Another one that is a root for us is that of
	// our namespace: whoever made the namespace has left it to us.
	if p.name == "/" && unix.Access(filepath.Join(p.Dir, "cgroup.type"), unix.F_OK) == nil {
		return nil
	}

	return fmt.Errorf("cgroup %s is not delegated to the daemon: set Delegate=yes in the unit", p.Dir)
}
