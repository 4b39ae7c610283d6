package cgroup

import (
	"strconv"
	"strings"
	"time"
)

// Usage is what all processes of a group have had together, also those below.
type Usage struct {
	MaxMemory int64         // bytes, at most at one time, files that they read included; 0: not known
	CPU       time.Duration // 0: not known
	OOM       OOM
}

// OOM says whether the kernel has ended a process for want of memory.
type OOM string

// The wants of memory.
const (
	NoOOM      OOM = ""
	OOMLimit   OOM = "limit"   // the group had no more than its limit
	OOMMachine OOM = "machine" // others had it
)

// Usage returns what the group has used so far.
func (g *Group) Usage() Usage {
	var u Usage

	if g.root.missing[memory] == nil {
		if text, err := read(g.fd, "memory.peak"); err == nil { // from Linux 5.19 on
			u.MaxMemory, _ = strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		}

		if text, err := read(g.fd, "memory.events"); err == nil {
			u.OOM = oomOf(values(text))
		}
	}

	if text, err := read(g.fd, "cpu.stat"); err == nil {
		u.CPU = time.Duration(values(text)["usage_usec"]) * time.Microsecond
	}

	return u
}

// oomOf tells by the counts of memory.events.
func oomOf(counts map[string]int64) OOM {
	switch {
	case counts["oom_kill"] == 0:
		return NoOOM
	case counts["oom"] > 0:
		return OOMLimit
	default:
		return OOMMachine
	}
}

// values parses lines of a key and a number.
func values(text string) map[string]int64 {
	all := map[string]int64{}

	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all[key], _ = strconv.ParseInt(value, 10, 64)
		}
	}

	return all
}
