package command

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// goneWait bounds the wait for killed processes to vanish. They do so within
// milliseconds, unless the disk holds them or nobody reaps orphans here.
const goneWait = time.Second

// tree is a process and all that it has started, as far as they can be found:
// here its process group. A process that makes a session of its own escapes.
//
// The number of the group stays taken while its main process has not been
// reaped. So signals never reach a stranger as long as reap comes last.
type tree struct {
	pgid int
}

// attributes returns with what the main process is to be started. There is no
// signal at the parent's death among them: the kernel would send it when one
// thread of the daemon ends.
func (t *tree) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// adopt tells the tree its main process, which has just been started.
func (t *tree) adopt(pid int) { t.pgid = pid }

// terminate asks all to end. What is stopped is woken with the request already
// pending, so that it does no more of its work first.
func (t *tree) terminate() {
	t.signal(unix.SIGTERM)
	t.signal(unix.SIGCONT)
}

// kill ends all at once. The kernel lets no member fork on its way out, so one
// call gets them all.
func (t *tree) kill() { t.signal(unix.SIGKILL) }

// signal sends sig to all. It fails only for processes that run as somebody
// else, about which nothing can be done.
func (t *tree) signal(sig syscall.Signal) {
	_ = unix.Kill(-t.pgid, sig) //nolint:errcheck // see above
}

// reap takes the exit status of the main process, which must have ended. After
// that the tree must not be signalled any more.
func (t *tree) reap() (unix.WaitStatus, error) {
	var status unix.WaitStatus

	for {
		_, err := unix.Wait4(t.pgid, &status, 0, nil)
		if err != unix.EINTR { //nolint:errorlint // a bare errno
			return status, err //nolint:wrapcheck // told by the caller
		}
	}
}

// settle waits, bounded, until what was killed has vanished. Orphans are reaped
// if they have become ours, as they do where the daemon is the first process
// of a container.
func (t *tree) settle() {
	pause := time.Millisecond

	for waited := time.Duration(0); waited < goneWait && !t.gone(); waited += pause {
		pause = min(2*pause, 50*time.Millisecond)
		<-time.After(pause)
	}
}

// gone says whether no process of the tree is left. Only the probing signal 0
// is sent: the number could by now be another group's.
func (t *tree) gone() bool {
	for {
		pid, err := unix.Wait4(-t.pgid, nil, unix.WNOHANG, nil)
		if err != unix.EINTR && pid <= 0 { //nolint:errorlint // a bare errno
			break
		}
	}

	return unix.Kill(-t.pgid, 0) != nil
}
