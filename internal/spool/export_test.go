package spool

import "importerd/internal/job"

// OnFlush makes every flush of a descriptor of s call do instead.
func (s *Spool) OnFlush(do func(fd int) error) { s.fsync = do }

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
