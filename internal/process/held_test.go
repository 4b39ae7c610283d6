package process_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// TestImmovableFileHoldsUpNobody makes a file immutable, as chattr +i does.
func TestImmovableFileHoldsUpNobody(t *testing.T) {
	bubble(t, func(r *rig) {
		r.inbox("a", "b", "c")

		path := r.disk.Path(job.InboxFolder, "b")
		if err := setFlags(path, immutable); err != nil {
			r.Skipf("files cannot be made immutable here: %v", err)
		}

		defer func() { _ = setFlags(path, 0) }() // else it could not be removed

		r.start()
		r.pass(gathers)
		r.want("done/a", "done/c", "inbox/b")

		if reason, ok := r.pool.Explain(r.Context(), "b"); !ok || reason.Standing != job.Held {
			r.Errorf("b: %+v", reason)
		}

		if c := r.pool.Counts(); c.Disk != "" || c.Held != 1 || c.HeldName != "b" || c.HeldWhy != job.ReasonImmovable {
			r.Errorf("counts %+v", c)
		}

		if err := setFlags(path, 0); err != nil {
			r.Fatal(err)
		}

		r.pass(time.Minute)
		r.want("done/a", "done/b", "done/c")
		r.stops()
	})
}

// TestImmovableFileIsTriedAgain lets the claim be forbidden by the directory, as a
// sticky one does, so that nothing changes at the file when it is allowed.
func TestImmovableFileIsTriedAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(func(call string) error {
			if call == "claim a" {
				return unix.EPERM
			}

			return nil
		})
		r.inbox("a")
		r.start()
		r.pass(2 * time.Minute)
		r.want("inbox/a")
		r.said(1, "file held")

		r.disk.breaks(nil)
		r.pass(time.Minute)
		r.want("done/a")

		if c := r.pool.Counts(); c.Held != 0 || c.HeldName != "" || c.HeldWhy != "" {
			r.Errorf("counts %+v", c)
		}

		r.stops()
	})
}

// immutable is FS_IMMUTABLE_FL of the kernel.
const immutable = 0x10

// setFlags sets a file's flags, wherever it lies; one that is gone is no error.
func setFlags(path string, flags int) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}

	if err != nil {
		return err
	}
	defer f.Close()

	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
}
