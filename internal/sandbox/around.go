package sandbox

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"importerd/internal/handler/cgroup"
)

// umask is that of the unit.
const umask = "0027"

// someFile belongs to somebody else than the daemon, and everybody may read it.
const someFile = "/etc/passwd"

// around is what the daemon gets and is, besides what it may not.
func around(s self, o Options) []check {
	return []check{
		{"User=importerd", "commands are not root", func() (State, string) {
			return verdict(os.Geteuid() != 0, "this is root")
		}},
		{"UMask=" + umask, "what commands make is not for everybody to read, unless they say so", func() (State, string) {
			return verdict(s.status["Umask"] == umask, "it is "+s.status["Umask"])
		}},
		{"LoadCredential=", "commands can read it, too", func() (State, string) { return credentials(o.Credentials) }},
		{"Delegate=yes, ProtectControlGroups=no", "each job gets a cgroup of its own", delegated},
		{"AmbientCapabilities=CAP_LEASE", "the daemon sees who writes files of other users; commands do not get it", s.lease},
		{"CapabilityBoundingSet=CAP_LEASE", "commands lose nothing that a plain user has", s.bounds},
		{"NoNewPrivileges=yes", "commands gain nothing by sudo, su, sendmail, ping", func() (State, string) {
			return verdict(s.status["NoNewPrivs"] == "1", "setuid programs gain what they want")
		}},
	}
}

func credentials(dir string) (State, string) {
	if dir == "" {
		return CannotTell, "none is given: there is none in /etc/credstore, or no unit"
	}

	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) == 0 {
		return CannotTell, "none is given: there is none in /etc/credstore"
	}

	for _, name := range names {
		if unix.Faccessat(unix.AT_FDCWD, name, unix.R_OK, unix.AT_EACCESS) != nil {
			return NotInForce, name + " cannot be read"
		}
	}

	return Holds, ""
}

// delegated says whether cgroups can be made. Root may everywhere: then it takes a word
// of whoever manages them.
func delegated() (State, string) {
	own, err := cgroup.Own()
	if err != nil {
		return NotInForce, err.Error()
	}

	if err := unix.Faccessat(unix.AT_FDCWD, own.Dir, unix.W_OK, unix.AT_EACCESS); err != nil {
		return NotInForce, fmt.Sprintf("cgroup %s cannot be written: %v", own.Dir, err)
	}

	if err := own.Delegated(); err != nil && os.Geteuid() == 0 {
		return NotInForce, err.Error()
	}

	return Holds, ""
}

// lease asks for a lease on somebody else's file, and gives it back.
func (s self) lease() (State, string) {
	if os.Geteuid() == 0 { // the file is its own
		effective, ok := s.capabilities("CapEff")
		if !ok {
			return CannotTell, "the kernel tells no capabilities"
		}

		return verdict(effective&(1<<unix.CAP_LEASE) != 0, "root without it")
	}

	file, err := os.Open(someFile)
	if err != nil {
		return CannotTell, err.Error()
	}
	defer file.Close()

	_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}

	switch {
	case err == nil, errors.Is(err, unix.EAGAIN): // somebody writes it, which only who may have a lease is told
		return Holds, ""
	case errors.Is(err, unix.EACCES):
		return NotInForce, "the kernel does not say who writes files of other users"
	}

	return CannotTell, fmt.Sprintf("no lease on %s: %v", someFile, err)
}

// bounds says whether no program can get more capabilities than the one.
func (s self) bounds() (State, string) {
	set, ok := s.capabilities("CapBnd")
	if !ok {
		return CannotTell, "the kernel tells no capabilities"
	}

	more := bits.OnesCount64(set &^ (1 << unix.CAP_LEASE))

	return verdict(more == 0, fmt.Sprintf("%d more can be had", more))
}

// isHidden says whether a mount is one that systemd has put over a path to hide it.
func isHidden(m mount) bool { return strings.Contains(m.root, "/systemd/inaccessible/") }
