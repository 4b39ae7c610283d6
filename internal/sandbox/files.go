package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// files is what can be seen and written.
func files(s self, o Options) []check {
	return []check{
		{"ProtectSystem=strict", "commands write to the spools, /tmp, /var/tmp, /dev/shm alone", func() (State, string) {
			return readOnly("/", "/usr", "/etc", "/var")
		}},
		{"ReadWritePaths=", "the folders of a spool are below one entry: files move between them", func() (State, string) {
			return onOneMount(o.Spools)
		}},
		{"PrivateMounts=yes", "mounts of commands are seen by nobody else", s.privateMounts},
		{"ProtectHome=yes", "commands do not see /home, /root: no ~/.ssh", s.hidesHomes},
		{"PrivateTmp=yes", "commands share /tmp with nobody else", func() (State, string) {
			m, ok := s.at("/tmp")

			return verdict(ok && strings.Contains(m.root, "systemd-private-"), "/tmp is everybody's")
		}},
		{"PrivateDevices=yes", "commands see no disks, tapes, serial lines", devices},
		{"ProtectProc=invisible", "commands do not see processes of other users", func() (State, string) {
			m, ok := s.at("/proc")
			hides := strings.Contains(m.options, "hidepid=invisible") || strings.Contains(m.options, "hidepid=2")

			return verdict(ok && hides, "/proc shows all processes")
		}},
		{"ProtectKernelTunables=yes", "commands change no settings of the kernel", func() (State, string) {
			return readOnly("/proc/sys", "/sys")
		}},
	}
}

// readOnly says whether nothing can be written below the paths, whoever it is.
func readOnly(paths ...string) (State, string) {
	for _, path := range paths {
		var fs unix.Statfs_t

		if err := unix.Statfs(path, &fs); err != nil {
			return CannotTell, path + ": " + err.Error()
		}

		if fs.Flags&unix.ST_RDONLY == 0 {
			return NotInForce, path + " can be written"
		}
	}

	return Holds, ""
}

// onOneMount says whether files can be renamed between the folders of each spool.
func onOneMount(spools []Spool) (State, string) {
	if len(spools) == 0 {
		return CannotTell, "no spool is configured"
	}

	for _, s := range spools {
		if state, detail := s.isOnOneMount(); state != Holds {
			return state, detail
		}
	}

	return Holds, ""
}

func (s Spool) isOnOneMount() (State, string) {
	mount, err := mountOf(s.Dir)
	if err != nil {
		return NotInForce, s.Dir + ": " + err.Error()
	}

	if state, _ := readOnly(s.Dir); state != NotInForce {
		return NotInForce, s.Dir + " cannot be written"
	}

	paths := []string{s.Inbox}
	for _, folder := range []job.Folder{
		job.ProcessingFolder, job.DeferredFolder, job.DoneFolder, job.FailedFolder, job.OwnFolder,
	} {
		paths = append(paths, filepath.Join(s.Dir, string(folder)))
	}

	for _, path := range paths { // those that are not there yet will be made beside the others
		if other, err := mountOf(path); err == nil && other != mount {
			return NotInForce, path + " is on another mount than " + s.Dir
		}
	}

	return Holds, ""
}

func mountOf(path string) (uint64, error) {
	var stat unix.Statx_t

	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &stat)

	return stat.Mnt_id, err //nolint:wrapcheck // told with the path by the caller
}

// privateMounts says whether mounts stay in here: that of the root only follows what
// others do.
func (s self) privateMounts() (State, string) {
	m, ok := s.at("/")
	if !ok {
		return CannotTell, "the root is no mount"
	}

	shared := slices.ContainsFunc(m.tags, func(tag string) bool { return strings.HasPrefix(tag, "shared:") })
	follows := slices.ContainsFunc(m.tags, func(tag string) bool { return strings.HasPrefix(tag, "master:") })

	if !follows && !shared {
		return CannotTell, "others may be in here, too"
	}

	return verdict(follows, "mounts are shared with others")
}

// hidesHomes says whether something lies over the homes that there are.
func (s self) hidesHomes() (State, string) {
	state, detail := CannotTell, "there are no homes"

	for _, home := range []string{"/home", "/root", "/run/user"} {
		if _, err := os.Lstat(home); err != nil {
			continue
		}

		if m, ok := s.at(home); !ok || !isHidden(m) {
			return NotInForce, home + " can be seen"
		}

		state, detail = Holds, ""
	}

	return state, detail
}

// devices says whether only those are there that do no harm.
func devices() (State, string) {
	entries, err := os.ReadDir("/dev")
	if err != nil {
		return CannotTell, err.Error()
	}

	harmless := []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx"}

	for _, e := range entries {
		if e.Type()&os.ModeDevice != 0 && !slices.Contains(harmless, e.Name()) {
			return NotInForce, "/dev/" + e.Name() + " is there"
		}
	}

	return Holds, ""
}
