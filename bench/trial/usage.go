package trial

import (
	"fmt"
	"os"
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

// peak returns the memory of a process at its highest, in MiB, 0 if it is gone.
func peak(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}

	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, _ := strconv.ParseFloat(fields[1], 64) // the kernel writes numbers

			return kib / 1024
		}
	}

	return 0
}

// memory returns that of all programs of a contender together.
func (g *group) memory() float64 {
	sum := 0.0
	for _, cmd := range g.members {
		sum += peak(cmd.Process.Pid)
	}

	return sum
}
