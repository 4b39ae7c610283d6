package spool

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// SignalHandlers sends the signals, in their order, to all that is found of the
// attempts of an earlier daemon on the jobs: the process group that was noted, and
// whoever holds the lock, with the group that it leads. Each is looked for anew,
// so that neither a number that was given to another process nor a process of
// ours is signalled. A job on which we have an attempt ourselves must not be named.
//
// It reads the table of open files of all processes, once for all the jobs, some
// milliseconds for some hundred processes. What started since the last call is
// found by the next one.
func (s *Spool) SignalHandlers(ids []job.ID, signals ...syscall.Signal) {
	for _, id := range ids {
		if note, err := s.readLock(id); err == nil && note.alive() {
			send(signals, func(sig syscall.Signal) error { return unix.Kill(-note.PID, sig) })
		}
	}

	for _, holders := range s.holders(ids) {
		for _, h := range holders {
			signalHolder(h, signals)
		}
	}
}

// send sends the signals until one cannot be sent: gone already is as good, and
// about a process of somebody else nothing can be done.
func send(signals []syscall.Signal, one func(syscall.Signal) error) {
	for _, sig := range signals {
		if one(sig) != nil {
			return
		}
	}
}

// signalHolder signals a process if it is still the very one, and with it the
// group that it leads: those are its children, which may have closed the lock.
func signalHolder(h job.Process, signals []syscall.Signal) {
	process, err := os.FindProcess(h.PID) // by a pidfd where there are any: it means no later process
	if err != nil {
		return
	}

	defer func() { _ = process.Release() }()

	if start, err := startOf(h.PID); err != nil || start != h.Start {
		return
	}

	if group, err := unix.Getpgid(h.PID); err == nil && group == h.PID {
		send(signals, func(sig syscall.Signal) error { return unix.Kill(-group, sig) })

		return
	}

	send(signals, func(sig syscall.Signal) error { return process.Signal(sig) })
}

// findHolders fills in who holds the locks of old handlers.
func (s *Spool) findHolders(old []job.OldHandler) {
	ids := make([]job.ID, len(old))
	for i, h := range old {
		ids[i] = h.Job
	}

	found := s.holders(ids)

	for i := range old {
		old[i].Holders = found[old[i].Job]
	}
}

// holders returns the processes other than ours that hold the locks of the jobs,
// each in the order of their numbers. What may not be read is passed over, and
// the first process is never among them.
//
// A process that we are just starting has copies of all our descriptors until its
// exec, which may take long on a busy machine: it holds nothing of its own, and must not
// be taken for one that got away. The lock says that there is none.
func (s *Spool) holders(ids []job.ID) map[job.ID][]job.Process {
	found := map[job.ID][]job.Process{}
	wanted := map[string]job.ID{}

	for _, id := range ids {
		wanted[id.String()] = id
	}

	if len(wanted) == 0 {
		return found
	}

	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()

	entries, err := os.ReadDir("/proc")
	if err != nil {
		return found
	}

	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid <= 1 || pid == os.Getpid() {
			continue
		}

		start, err := startOf(pid) // before the look: a later process of that number has another one
		if err != nil {
			continue
		}

		for _, id := range s.heldBy(pid, wanted) {
			found[id] = append(found[id], job.Process{PID: pid, Start: start})
		}
	}

	for _, all := range found {
		slices.SortFunc(all, func(a, b job.Process) int { return a.PID - b.PID })
	}

	return found
}

// heldBy returns those of the wanted jobs whose locks a process holds.
func (s *Spool) heldBy(pid int, wanted map[string]job.ID) []job.ID {
	const deleted = " (deleted)" // as the kernel marks what has no name any more

	proc := "/proc/" + strconv.Itoa(pid)

	dir, err := os.Open(proc + "/fd")
	if err != nil {
		return nil
	}
	defer dir.Close() // nothing was written through it

	fds, err := dir.Readdirnames(-1)
	if err != nil && len(fds) == 0 {
		return nil
	}

	var held []job.ID

	for _, fd := range fds {
		// The name alone first: to ask for the file itself may wait for ever for a
		// server that is gone.
		target, err := os.Readlink(proc + "/fd/" + fd)
		if err != nil {
			continue
		}

		id, known := wanted[path.Base(strings.TrimSuffix(target, deleted))]
		if known && !slices.Contains(held, id) && s.isLock(proc, fd, id) {
			held = append(held, id)
		}
	}

	return held
}

// isLock says whether a descriptor of a process is the lock of the job: it means
// that file, and the lock was taken through the same opening of it. Somebody who
// only looks into the file holds nothing.
func (s *Spool) isLock(proc, fd string, id job.ID) bool {
	same := false

	err := s.locks.use(func(at int) error {
		lock, err := statAt(at, id.String())
		if err != nil {
			return err
		}

		var open unix.Stat_t
		if err := unix.Stat(proc+"/fd/"+fd, &open); err != nil {
			return err //nolint:wrapcheck // never told
		}

		same = open.Ino == lock.Ino && open.Dev == unix.Mkdev(lock.Dev_major, lock.Dev_minor)

		return nil
	})
	if err != nil || !same {
		return false
	}

	info, err := os.ReadFile(proc + "/fdinfo/" + fd)

	return err == nil && isLocked(string(info))
}

// isLocked says whether fdinfo tells of a flock on the opening that it is about.
// The line is as in /proc/locks: "lock:\t1: FLOCK  ADVISORY  WRITE 42 08:01:7 0 EOF".
func isLocked(info string) bool {
	for line := range strings.Lines(info) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[0] == "lock:" && fields[2] == "FLOCK" {
			return true
		}
	}

	return false
}
