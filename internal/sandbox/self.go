package sandbox

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// self is what the kernel tells of this process.
type self struct {
	status map[string]string // /proc/self/status
	mounts []mount           // in their order: of several on one point the last counts
}

// mount is a line of /proc/self/mountinfo.
type mount struct {
	root, point string
	tags        []string // how it is shared with other namespaces
	options     string   // of the file system
}

func readSelf() self {
	s := self{status: map[string]string{}}

	text, _ := os.ReadFile("/proc/self/status") // without it nothing can be told
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			s.status[key] = strings.TrimSpace(value)
		}
	}

	text, _ = os.ReadFile("/proc/self/mountinfo") // as above
	for line := range strings.Lines(string(text)) {
		if m, ok := parseMount(line); ok {
			s.mounts = append(s.mounts, m)
		}
	}

	return s
}

// parseMount parses "36 25 0:30 /root /mount/point rw,nosuid shared:1 - tmpfs tmpfs rw".
func parseMount(line string) (mount, bool) {
	fields := strings.Fields(line)

	dash := slices.Index(fields, "-")
	if dash < 6 || len(fields) < dash+4 {
		return mount{}, false
	}

	return mount{
		root: fields[3], point: fields[4], tags: fields[6:dash], options: fields[dash+3],
	}, true
}

// at returns the mount that is seen at a path, if one is.
func (s self) at(path string) (mount, bool) {
	for _, m := range slices.Backward(s.mounts) {
		if m.point == path {
			return m, true
		}
	}

	return mount{}, false
}

// capabilities returns a set of them, and whether it is known.
func (s self) capabilities(set string) (uint64, bool) {
	bits, err := strconv.ParseUint(s.status[set], 16, 64)

	return bits, err == nil
}
