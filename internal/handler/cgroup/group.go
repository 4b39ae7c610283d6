package cgroup

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// signalRounds is how often a group is looked through for processes that came to be
// while the others were signalled. A group that grows faster has to be killed.
const signalRounds = 10

// Group is the cgroup of one attempt. Its methods may be called from several
// goroutines until Remove or Close, which end its use.
type Group struct {
	root *Root
	name string
	fd   int
}

// Kill ends all at once, also what is frozen, what has made a session of its own and
// what runs as somebody else. Nobody forks out of it.
func (g *Group) Kill() { _ = write(g.fd, "cgroup.kill", "1") }

// Signal sends the signals, in their order, once to each process but those that skip
// names. A number that meanwhile means another process is not signalled.
func (g *Group) Signal(skip func(pid int) bool, signals ...syscall.Signal) {
	sent := map[int]bool{}

	for range signalRounds {
		fresh := g.open(func(pid int) bool { return sent[pid] || skip(pid) })
		if len(fresh) == 0 {
			return
		}

		// Who is still in the group has been in it when its descriptor was opened.
		still := g.processes()

		for pid, fd := range fresh {
			sent[pid] = true

			if slices.Contains(still, pid) {
				sendAll(fd, signals)
			}

			_ = unix.Close(fd)
		}
	}
}

// open returns descriptors of all processes but those that skip names, by number.
func (g *Group) open(skip func(pid int) bool) map[int]int {
	found := map[int]int{}

	for _, pid := range g.processes() {
		if skip(pid) {
			continue
		}

		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			found[pid] = fd
		}
	}

	return found
}

func sendAll(pidfd int, signals []syscall.Signal) {
	for _, sig := range signals {
		if unix.PidfdSendSignal(pidfd, sig, nil, 0) != nil {
			return // it is gone, or somebody else's
		}
	}
}

// processes returns the numbers of all in the group and in those that it has made
// below. Those that our own process namespace does not see are not among them.
func (g *Group) processes() []int { return processes(g.fd) }

func processes(dir int) []int {
	text, err := read(dir, "cgroup.procs")
	if err != nil {
		return nil
	}

	var all []int

	for line := range strings.FieldsSeq(text) {
		if pid, err := strconv.Atoi(line); err == nil && pid > 1 {
			all = append(all, pid)
		}
	}

	for _, child := range children(dir) {
		fd, err := unix.Openat(dir, child, dirFlags, 0)
		if err != nil {
			continue
		}

		all = append(all, processes(fd)...)
		_ = unix.Close(fd)
	}

	return all
}

// Freeze stops all where they are, and says whether they stand within the wait. What
// does not, a process that waits for a disk that is gone, stands as soon as it can.
func (g *Group) Freeze(wait time.Duration) bool {
	if write(g.fd, "cgroup.freeze", "1") != nil {
		return false
	}

	return g.await(wait, func(e events) bool { return e.frozen || !e.populated })
}

// Thaw lets go on what was frozen. Processes do not notice.
func (g *Group) Thaw() { _ = write(g.fd, "cgroup.freeze", "0") }

// Populated says whether a process lives in the group; true also if that cannot be
// found out.
func (g *Group) Populated() bool {
	e, err := readEvents(g.fd)

	return err != nil || e.populated
}

// gone says whether somebody has removed the group: no process can be started in it.
func (g *Group) gone() bool {
	return isGone(unix.Faccessat(g.fd, "cgroup.procs", unix.F_OK, 0))
}

// AwaitEmpty waits until nothing lives in the group, and says whether that is so.
func (g *Group) AwaitEmpty(wait time.Duration) bool {
	return g.await(wait, func(e events) bool { return !e.populated })
}

// Remove removes the group. While something still lives in it that cannot be done:
// then it is tried again later.
func (g *Group) Remove() {
	err := remove(int(g.root.dir.Fd()), g.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.root.mu.Lock()
		g.root.left[g.name] = struct{}{}
		g.root.mu.Unlock()
	}

	g.Close()
}

// Close lets go of the group, which stays.
func (g *Group) Close() { _ = unix.Close(g.fd) }
