package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"importerd/internal/job"
)

// mark is the file that says that the journal beside it is damaged, and how.
func mark(path string) string { return path + "-damaged" }

// markDamaged notes damage: a run that met it ends, and the next one must not
// trust what looks whole. It also makes setAside whole when that is cut short:
// the -wal of the old journal must not meet the new one.
func markDamaged(path string, cause error) error {
	if exists(mark(path)) {
		return nil
	}

	f, err := os.OpenFile(mark(path), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return diskKind(fmt.Errorf("note damage: %w", err))
	}
	defer f.Close()

	_, err = f.WriteString(cause.Error() + "\n")
	if err = errors.Join(err, f.Sync()); err != nil {
		return diskKind(fmt.Errorf("note damage: %w", err))
	}

	return syncDir(filepath.Dir(path))
}

// damage returns what markDamaged has noted; nil: nothing.
func damage(path string) error {
	text, err := os.ReadFile(mark(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}

	return fmt.Errorf("%w: as an earlier run has found: %s", errDamaged, strings.TrimSpace(string(text)))
}

// setAside takes a damaged journal out of the way, with all that belongs to it.
func setAside(o *Options, cause error) error {
	if err := markDamaged(o.Path, cause); err != nil {
		return err
	}

	for _, suffix := range []string{"-wal", "-journal", ""} {
		if !exists(o.Path + suffix) {
			continue
		}

		kept, err := o.SetAside(filepath.Base(o.Path) + suffix)
		if err != nil {
			return err
		}

		o.Log.Error().Err(cause).Str("file", job.Show(filepath.Base(o.Path)+suffix)).Str("kept", job.Show(kept)).
			Msg("journal damaged, set aside: the folders tell what there is to do")
	}

	for _, gone := range []string{o.Path + "-shm", mark(o.Path)} {
		if err := os.Remove(gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return diskKind(fmt.Errorf("set aside: %w", err))
		}
	}

	return nil
}
