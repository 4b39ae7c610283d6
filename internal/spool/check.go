package spool

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// checkPrivate refuses a folder of ours into which others may put files: what
// lies there is taken for claimed and handled without a further look.
func (s *Spool) checkPrivate(d *dir) error {
	const everybody, group, owner = 0o002, 0o020, 0o200

	if d.mode&everybody != 0 {
		return &UnfitError{
			Path: d.path, Reason: fmt.Sprintf("may be written by everybody (mode %04o)", d.mode),
			Hint: "chmod 0700 " + job.Show(d.path),
		}
	}

	if me := os.Geteuid(); int(d.uid) != me && d.uid != 0 && d.mode&owner != 0 {
		return &UnfitError{
			Path: d.path, Reason: fmt.Sprintf("belongs to user %d, who may put files there, and we are user %d", d.uid, me),
			Hint: fmt.Sprintf("run as user %d, or chown %d %s", d.uid, me, job.Show(d.path)),
		}
	}

	if d.mode&group != 0 {
		s.warn("%s may be written by its group (mode %04o): whoever can write there can have files handled; "+
			"chmod 0700 is better", job.Show(d.path), d.mode)
	}

	return nil
}

// lookRound collects what people should know.
func (s *Spool) lookRound() error {
	if err := s.tryLease(); err != nil {
		return err
	}

	inbox := s.inbox.Load()
	foreign := int(inbox.uid) != os.Geteuid() && !hasCapability(unix.CAP_FOWNER)

	if inbox.mode&unix.S_ISVTX != 0 && foreign {
		s.warn("%s is sticky (mode %04o) and belongs to user %d: files of other users cannot be claimed; chown it to user %d",
			job.Show(inbox.path), inbox.mode, inbox.uid, os.Geteuid())
	}

	const others = 0o022
	if s.leases && inbox.mode&others != 0 && !hasCapability(unix.CAP_LEASE) {
		s.warn("CAP_LEASE is missing: whether files of other users are still being written is told by quiet time only")
	}

	if text, err := os.ReadFile("/proc/sys/fs/protected_hardlinks"); err == nil && strings.TrimSpace(string(text)) == "0" {
		s.warn("fs.protected_hardlinks is 0: whoever can write to the inbox can link files into it that he may not read")
	}

	return nil
}

// tryLease finds out with a file of ours whether a lease tells of a writer,
// and of none when there is none.
func (s *Spool) tryLease() error {
	name := trialPrefix + job.NewID().String()
	if err := create(s.trials, name); err != nil {
		return fmt.Errorf("try to make a file in %s: %w", job.Show(s.trials.path), err)
	}

	defer func() { _ = s.trials.unlink(name) }() // what stays is removed at the next start

	tells, err := leaseTells(s.trials, name)
	if err != nil {
		return fmt.Errorf("try a lease in %s: %w", job.Show(s.trials.path), err)
	}

	s.leases = tells && !s.kind.remote

	switch {
	case s.kind.remote:
		s.warn("on %s files can be written from elsewhere without this kernel knowing: "+
			"files are taken after quiet time", s.kind.name)
	case !s.leases:
		s.warn("on this %s the kernel does not tell who writes a file: files are taken after quiet time", s.kind.name)
	case s.kind.layers:
		s.warn("on %s the kernel does not tell of writers that have a file mapped", s.kind.name)
	}

	return nil
}

// leaseTells says whether a lease on the file is refused while it is open for
// writing and granted when it is not.
func leaseTells(d *dir, name string) (bool, error) {
	var tells bool

	err := d.use(func(at int) error {
		writer, err := openat(at, name, unix.O_WRONLY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}

		reader, err := openat(at, name, readFlags, 0)
		if err != nil {
			return discardFor(writer, err)
		}
		defer discard(reader)

		seen := errors.Is(tryLease(reader), job.ErrOpen)

		discard(writer)

		tells = seen && soon(job.ErrOpen, func() error { return tryLease(reader) }) == nil

		return nil
	})

	return tells, err
}

func (s *Spool) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// hasCapability says whether the process may use the capability now.
func hasCapability(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}

	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}

	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
