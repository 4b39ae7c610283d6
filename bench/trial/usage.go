package trial

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// spent returns the seconds of CPU of all processes that have ended and were
// waited for, with all that they had waited for. One trial runs at a time, so a
// difference is that trial's.
func spent() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u); err != nil {
		return 0
	}

	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// field returns one of the figures of a process's memory, in MiB, 0 if it is gone.
func field(pid int, key string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}

	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == key {
			kib, _ := strconv.ParseFloat(fields[1], 64) // the kernel writes numbers

			return kib / 1024
		}
	}

	return 0
}

// ran returns the seconds of CPU that the threads of a process have had, exactly:
// the kernel's sums for whole processes are in hundredths of a second.
func ran(pid int) float64 {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is well formed
	sum := 0.0

	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}

		on, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseFloat(on, 64) // the kernel writes numbers
		sum += ns / 1e9
	}

	return sum
}

// memory returns that of all programs of a contender together, at the highest.
func (g *group) memory() float64 {
	sum := 0.0
	for _, cmd := range g.members {
		sum += field(cmd.Process.Pid, "VmHWM:")
	}

	return sum
}
