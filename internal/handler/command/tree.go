package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/handler/cgroup"
)

// goneWait bounds the wait for killed processes to let go of their files. They
// do so within milliseconds, unless the disk or much memory holds them up.
const goneWait = time.Second

// freezeWait bounds the wait for a cgroup to stand; meanwhile nothing else is done
// for the run. What does not stand by then most likely waits for a disk.
const freezeWait = time.Second

// tree is a process and all that it has started, as far as they can be found: its
// cgroup, in which all are, and its process group. Without a cgroup a process that
// makes a session of its own escapes. One that has moved itself into another cgroup, as who
// runs as the daemon's user can, is at least found by its group.
//
// The number of the group stays taken while its main process has not been
// reaped. So signals never reach a stranger as long as reap comes last.
type tree struct {
	pgid    int
	cgroup  *cgroup.Group // nil: there is none
	ending  bool          // it was asked to end
	stopped bool          // by a signal, for want of a cgroup that freezes
	empty   bool          // nothing has lived in the cgroup when the main process had ended
}

// attributes returns with what the main process is to be started. There is no
// signal at the parent's death among them: the kernel would send it when one
// thread of the daemon ends.
func (t *tree) attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// adopt tells the tree its main process, which has just been started.
func (t *tree) adopt(pid int) { t.pgid = pid }

// terminate asks all to end. What is stopped is woken with the request already
// pending, so that it does no more of its work first.
func (t *tree) terminate() {
	t.ending = true

	t.signal(unix.SIGTERM)
	t.signal(unix.SIGCONT)

	if t.cgroup != nil {
		t.cgroup.Signal(t.inProcessGroup, unix.SIGTERM, unix.SIGCONT)
		t.cgroup.Thaw()
	}
}

// inProcessGroup says whether signal reaches a process.
func (t *tree) inProcessGroup(pid int) bool {
	pgid, err := unix.Getpgid(pid)

	return err == nil && pgid == t.pgid
}

// freeze stops all where they are, again and again if need be. A tree that was asked
// to end is left alone, so that it has the whole of its grace.
//
// The freezer of a cgroup is noticed by nobody. Without one, or where it does not
// come about, a signal must do. No member of the group can catch it, and none that is
// about to fork gets away: the kernel lets no signal to a group pass between a process
// and its new child. But a parent sees that its child was stopped, and one that wakes
// it undoes the freezing.
func (t *tree) freeze() {
	if t.ending || t.cgroup != nil && t.cgroup.Freeze(freezeWait) {
		return
	}

	t.stopped = true

	t.signal(unix.SIGSTOP)
}

// thaw lets go on what was frozen; what was not does not notice, unless it
// asked for SIGCONT.
func (t *tree) thaw() {
	if t.cgroup != nil {
		t.cgroup.Thaw()
	}

	if t.stopped || t.cgroup == nil {
		t.stopped = false

		t.signal(unix.SIGCONT)
	}
}

// kill ends all at once. The kernel lets no member fork on its way out, so one
// call gets them all.
func (t *tree) kill() {
	t.signal(unix.SIGKILL)

	if t.cgroup != nil {
		t.cgroup.Kill()
	}
}

// end kills all that the main process, which has ended, has left.
func (t *tree) end() {
	t.signal(unix.SIGKILL)

	if t.cgroup == nil {
		return
	}

	if t.empty = !t.cgroup.Populated(); !t.empty {
		t.cgroup.Kill()
	}
}

// group returns the number by which the kernel means the whole group. Without a
// process it would mean ours, or everybody's.
func (t *tree) group() int {
	if t.pgid <= 1 {
		panic("bug: a process tree without a process")
	}

	return -t.pgid
}

// signal sends sig to all. It fails only for processes that run as somebody
// else, about which nothing can be done.
func (t *tree) signal(sig syscall.Signal) {
	_ = unix.Kill(t.group(), sig)
}

// reap takes the exit status of the main process, which must have ended, and what it
// has used with all those that it has waited for. After that the tree must not be
// signalled any more.
//
// The most memory of one process is known, too, but is no help: it is never less than
// that of the daemon, whose copy each process is before it gets its own program.
func (t *tree) reap() (unix.WaitStatus, unix.Rusage, error) {
	var (
		status unix.WaitStatus
		used   unix.Rusage
	)

	for {
		_, err := unix.Wait4(t.pgid, &status, 0, &used)
		if err != unix.EINTR {
			return status, used, err //nolint:wrapcheck // told by the caller
		}
	}
}

// settle waits, bounded, until what was killed has let go of its files. It
// comes after reap: until then the main process counts as one of its group.
func (t *tree) settle() {
	if t.cgroup != nil && !t.empty && !t.cgroup.AwaitEmpty(goneWait) {
		return
	}

	pause := time.Millisecond

	for waited := time.Duration(0); waited < goneWait && !t.gone(); waited += pause {
		pause = min(2*pause, 50*time.Millisecond)
		<-time.After(pause)
	}
}

// gone says whether nothing of the tree lives. Only the probing signal 0 is
// sent: the number could by now be another group's. Orphans that have become
// our children, as they do where the daemon is the first process of a
// container, are reaped; others may stay zombies for as long as theirs likes.
func (t *tree) gone() bool {
	if unix.Kill(t.group(), 0) != nil {
		return true
	}

	for {
		pid, err := unix.Wait4(t.group(), nil, unix.WNOHANG, nil)
		if err != unix.EINTR && pid <= 0 {
			break
		}
	}

	return unix.Kill(t.group(), 0) != nil || !alive(t.pgid)
}

// alive looks for a process in group pgid that is not a zombie. It reads the
// whole of /proc, a few milliseconds, and is asked only when a group is left.
func alive(pgid int) bool {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return false
	}

	group := strconv.Itoa(pgid)

	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}

		// The command's name, in parentheses, may hold anything; then come the
		// state, the parent and the group.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 2 && string(fields[2]) == group && !bytes.ContainsAny(fields[0], "ZX") {
			return true
		}
	}

	return false
}
