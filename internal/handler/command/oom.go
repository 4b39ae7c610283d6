package command

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// oomScore is the score that commands get when memory runs out: they are to go
// before the daemon. Raising a score needs no privilege.
const oomScore = 300

// wantsOOMScore says whether our own score, which commands inherit, is lower.
func wantsOOMScore() bool {
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return false
	}

	score, err := strconv.Atoi(strings.TrimSpace(string(own)))

	return err == nil && score < oomScore
}

// raiseOOMScore marks process pid, and what it starts from now on. That it
// cannot be done for a process that has ended or changed its user is no harm.
func raiseOOMScore(pid int) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}

	_, _ = unix.Write(fd, strconv.AppendInt(nil, oomScore, 10))
	_ = unix.Close(fd)
}
