package command

import (
	"os"
	"path/filepath"
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

// raiseOOMScores marks process pid, what it has started and what they will start. What
// has left the tree by now, its parent having ended, keeps our score. That it cannot
// be done for a process that has ended or changed its user is no harm.
func raiseOOMScores(pid int) {
	process := "/proc/" + strconv.Itoa(pid)
	if !raiseOOMScore(process) {
		return
	}

	// Each thread has children of its own.
	lists, err := filepath.Glob(process + "/task/*/children")
	if err != nil {
		return
	}

	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}

		for child := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(child); err == nil && pid > 1 {
				raiseOOMScores(pid)
			}
		}
	}
}

// raiseOOMScore marks one process and says whether it could.
func raiseOOMScore(process string) bool {
	fd, err := unix.Open(process+"/oom_score_adj", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()

	_, err = unix.Write(fd, strconv.AppendInt(nil, oomScore, 10))

	return err == nil
}
