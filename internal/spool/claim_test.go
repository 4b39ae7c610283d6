package spool_test

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

func TestOneOfManyClaimersWins(t *testing.T) {
	t.Parallel()

	const (
		files    = 100
		claimers = 8
	)

	s := open(t)

	var won atomic.Int64

	for i := range files {
		f := dropped(t, s, strconv.Itoa(i), "one")

		var all sync.WaitGroup
		for range claimers {
			all.Go(func() {
				_, err := s.Claim(f)

				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, job.ErrChanged): // its ctime is that of the rename under way
				case !errors.Is(err, fs.ErrNotExist):
					t.Errorf("claim: %v, want that it is gone", err)
				}
			})
		}

		all.Wait()
	}

	if won.Load() != files {
		t.Errorf("%d claims of %d files", won.Load(), files)
	}
}

func TestClaimReplacesNothing(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "new")
	drop(t, s, job.ProcessingFolder, "a.csv", "old")

	if _, err := s.Claim(f); !errors.Is(err, fs.ErrExist) {
		t.Errorf("claim: %v, want that the name is taken", err)
	}

	holds(t, s.Path(job.InboxFolder, "a.csv"), "new")
	holds(t, s.Path(job.ProcessingFolder, "a.csv"), "old")
}

func TestClaimLeavesAnotherFileThatItSees(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "one")
	drop(t, s, job.InboxFolder, "b.csv", "two")
	check(t, os.Rename(s.Path(job.InboxFolder, "b.csv"), s.Path(job.InboxFolder, "a.csv")))

	if _, err := s.Claim(f); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("claim: %v, want that it is gone", err)
	}

	holds(t, s.Path(job.InboxFolder, "a.csv"), "two")
	empty(t, s, job.ProcessingFolder)
}

func TestClaimTellsThatItTookAnotherFile(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "one")
	drop(t, s, job.InboxFolder, "b.csv", "other")
	check(t, os.Rename(s.Path(job.InboxFolder, "b.csv"), s.Path(job.InboxFolder, "a.csv")))

	got, err := s.Take(f)
	if !errors.Is(err, job.ErrOther) || got.Same(f) || got.Size != 5 || got.Name != "a.csv" {
		t.Errorf("claim: %+v, %v; want another file than %+v", got, err, f)
	}

	holds(t, s.Path(job.ProcessingFolder, "a.csv"), "other")
}

func TestClaimSetsAsideWhatIsNoFile(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "one")
	check(t, os.Remove(s.Path(job.InboxFolder, "a.csv")))
	check(t, os.Mkdir(s.Path(job.InboxFolder, "a.csv"), 0o700))

	if _, err := s.Take(f); !errors.Is(err, job.ErrNotRegular) {
		t.Errorf("claim: %v, want that it is no file", err)
	}

	empty(t, s, job.InboxFolder)
	empty(t, s, job.ProcessingFolder)

	if names := list(t, s.Path(job.OwnFolder, "work/aside")); len(names) != 1 {
		t.Errorf("aside there is %q", names)
	}
}

func TestClaimOnADiskThatRefuses(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()

	inNamespace(t, func() {
		mount(t, dir, "tmpfs", 0, "")

		s := openAt(t, dir)
		defer shut(t, s)

		f := dropped(t, s, "a.csv", "one")
		check(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))

		if _, err := s.Claim(f); !errors.Is(err, job.ErrDisk) {
			t.Errorf("claim: %v, want that the disk refuses", err)
		}

		if err := s.DropMarker("a.csv"); !errors.Is(err, job.ErrDisk) {
			t.Errorf("drop marker: %v, want that the disk refuses", err)
		}

		holds(t, s.Path(job.InboxFolder, "a.csv"), "one")
	})
}

func TestImmutableFileIsNotClaimed(t *testing.T) {
	t.Parallel()
	needRoot(t)

	s := open(t)
	f := dropped(t, s, "a.csv", "one")

	file, err := os.Open(s.Path(job.InboxFolder, "a.csv"))
	check(t, err)

	defer file.Close()

	const immutable = 0x10 // FS_IMMUTABLE_FL
	if err := unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, immutable); err != nil {
		t.Skip("needs a file system with immutable files")
	}

	f, err = s.Stat(job.InboxFolder, f.Name)
	check(t, err)

	_, err = s.Claim(f)
	check(t, unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, 0))

	if !errors.Is(err, job.ErrDisk) {
		t.Errorf("claim: %v, want that the disk refuses", err)
	}
}

// The kernel answers ENOENT when a file is moved into a directory that was
// removed. That must not look as if the file were gone.
func TestRemovedFolderIsNoVanishedFile(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "one")
	check(t, os.Remove(s.Path(job.ProcessingFolder, "")))

	if _, err := s.Claim(f); !errors.Is(err, job.ErrDisk) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("claim: %v, want that the disk refuses", err)
	}

	holds(t, s.Path(job.InboxFolder, "a.csv"), "one")

	if err := s.CheckInbox(); !errors.Is(err, job.ErrSpoolReplaced) {
		t.Errorf("check: %v, want that the spool is another", err)
	}
}

func TestDropMarker(t *testing.T) {
	t.Parallel()

	s := open(t)
	drop(t, s, job.InboxFolder, "a.csv.done", "")
	check(t, s.DropMarker("a.csv.done"))
	check(t, s.DropMarker("a.csv.done"))
	empty(t, s, job.InboxFolder)
}

func TestFlush(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "one")
	check(t, s.Flush(job.InboxFolder, f))

	other := dropped(t, s, "b.csv", "two")
	other.Name = "a.csv"

	if err := s.Flush(job.InboxFolder, other); !errors.Is(err, job.ErrOther) {
		t.Errorf("flush of another file: %v", err)
	}

	s.OnFlush(func(int) error { return unix.EIO })

	if err := s.Flush(job.InboxFolder, f); !errors.Is(err, job.ErrDisk) || errors.Is(err, job.ErrUntrusted) {
		t.Errorf("flush that fails: %v, want that the disk refuses", err)
	}

	s.OnFlush(unix.Fsync)

	if err := s.Sync(job.DoneFolder); err != nil {
		t.Errorf("sync after a file's failed flush: %v", err)
	}
}

func TestFileThatWasWrittenSinceIsNotClaimed(t *testing.T) {
	t.Parallel()

	s := open(t)
	f := dropped(t, s, "a.csv", "one")

	write(t, s.Path(job.InboxFolder, "a.csv"), "another")

	if _, err := s.Claim(f); !errors.Is(err, job.ErrChanged) {
		t.Errorf("claim: %v, want that it was changed", err)
	}

	holds(t, s.Path(job.InboxFolder, "a.csv"), "another")
}
