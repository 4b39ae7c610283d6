package spool

import (
	"syscall"

	"importerd/internal/job"
)

// OnFlush makes every flush of a descriptor of s call do instead.
func (s *Spool) OnFlush(do func(fd int) error) {
	s.fsync = do
	s.queues.close()
}

// Take is the part of Claim after the look at what is there.
func (s *Spool) Take(f job.File) (job.File, error) { return s.take(s.inbox.Load(), f) }

// AllowNames makes s believe that names on its file system have at most size bytes.
func (s *Spool) AllowNames(size int) { s.nameMax = size }

// WithID is the name that a file gets where its own is taken.
func (s *Spool) WithID(name string, id job.ID) string { return s.withID(name, id) }

// RefuseLeases makes s believe that its file system knows no leases.
func (s *Spool) RefuseLeases() { s.leases = false }

// NameInLock returns the name and the process that a lock file tells.
func NameInLock(text []byte) (name string, pid int) {
	note := parseNote(text)

	return note.name(), note.PID
}

// LockText returns what a lock file says before its process is known.
func LockText(id job.ID, name string) []byte { return newNote(id, name).text() }

// HoldInbox looks the inbox up and returns what uses it later.
func (s *Spool) HoldInbox() func() error {
	d := s.inbox.Load()

	return func() error { return d.use(func(int) error { return nil }) }
}

// Holders returns who holds the lock of a job.
func (s *Spool) Holders(id job.ID) []job.Process { return s.holders([]job.ID{id})[id] }

// SignalHolder signals a process if it is the very one.
func SignalHolder(p job.Process, sig syscall.Signal) { signalHolder(p, []syscall.Signal{sig}) }

// IsLocked says whether the text of fdinfo tells of a flock.
func IsLocked(info string) bool { return isLocked(info) }

// DropDouble removes the name of a file that has another one.
func (s *Spool) DropDouble(folder job.Folder, f job.File) error {
	return s.dropDouble(s.folders[folder], f)
}

// Alive says whether the process lives that the lock file of a job tells.
func (s *Spool) Alive(id job.ID) bool {
	note, err := s.readLock(id)

	return err == nil && note.alive()
}

// NoQueues makes s believe that the kernel has no queues.
func (s *Spool) NoQueues() { s.queues.close() }

// HasQueues says whether the kernel has queues for s.
func (s *Spool) HasQueues() bool {
	queue, err := s.queues.take()
	if err == nil {
		s.queues.put(queue)
	}

	return err == nil
}

// FreeQueues returns how many queues nobody uses.
func (s *Spool) FreeQueues() int {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()

	return len(s.queues.free)
}

// QueueAnswer is what is told of a file of which the queue says result.
func QueueAnswer(result int64) error { return contentLost((&aioAnswer{result: result}).err()) }

// BelieveRemote makes s believe that its file system is that of a server.
func (s *Spool) BelieveRemote() { s.kind.remote = true }

// KeepNoneOpen makes s believe that it may keep no files open.
func (s *Spool) KeepNoneOpen() { s.mostFD = 0 }
