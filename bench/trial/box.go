package trial

import (
	"os"
	"path/filepath"
)

// systemdPath is a path unit of a systemd of its own, in a box like those of the tests.
func systemdPath() Contender {
	return Contender{
		Name: "systemd.path", Title: "systemd.path, its limits off, then a loop", Needs: []string{"unshare", "nsenter"},
		Root: true, Stamps: true, Leaves: true,
		Lacks: func() string {
			if boxRoot() == "" {
				return "there is no Debian to boot: `make test-systemd` makes it"
			}

			return ""
		},
		Command: func(p Place) ([][]string, error) {
			args := []string{
				filepath.Join(p.Source, "bench", "trial", "systemd-path"),
				filepath.Join(p.Source, "test", "systemd", "box"), boxRoot(),
				filepath.Dir(p.Bin), p.Inbox(), filepath.Join(p.Dir, "away"),
			}

			return [][]string{append(args, Stamp(p)...)}, nil
		},
	}
}

// boxRoot returns the Debian that the tests under systemd have made, empty: there is
// none.
func boxRoot() string {
	dir := os.Getenv("SYSTEMD_ROOTS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return ""
		}

		dir = filepath.Join(cache, "importerd", "roots")
	}

	roots, err := filepath.Glob(filepath.Join(dir, "debian13-*[0-9a-f]"))
	if err != nil || len(roots) == 0 {
		return ""
	}

	return roots[len(roots)-1]
}
