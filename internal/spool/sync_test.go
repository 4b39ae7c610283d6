package spool_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

func TestSyncFlushesInTheOrderGiven(t *testing.T) {
	t.Parallel()

	s := open(t)

	var flushed []string

	s.OnFlush(func(fd int) error {
		path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		flushed = append(flushed, path)

		return errors.Join(err, unix.Fsync(fd))
	})

	order := []job.Folder{job.ProcessingFolder, job.DoneFolder, job.DeferredFolder, job.InboxFolder}
	check(t, s.Sync(order...))

	var want []string
	for _, folder := range order {
		want = append(want, s.Path(folder, ""))
	}

	if !slices.Equal(flushed, want) {
		t.Errorf("flushed %q, want %q", flushed, want)
	}
}

func TestFailedSyncIsForGood(t *testing.T) {
	t.Parallel()

	s := open(t)
	calls := 0

	s.OnFlush(func(int) error {
		calls++
		if calls == 1 {
			return unix.EIO
		}

		return nil
	})

	for i := range 3 {
		if err := s.Sync(job.DoneFolder, job.FailedFolder); !errors.Is(err, job.ErrUntrusted) || !errors.Is(err, unix.EIO) {
			t.Errorf("sync %d: %v, want that the disk cannot be trusted", i, err)
		}
	}

	if calls != 1 {
		t.Errorf("%d flushes, want no more after the first has failed", calls)
	}
}

// The kernel tells a lost write once. Of two who flush at once both must hear of it.
func TestEveryoneHearsOfAFailedSync(t *testing.T) {
	t.Parallel()

	const callers = 8

	s := open(t)
	second := make(chan struct{}, callers) // a flush that is not the first sends

	var failed atomic.Bool

	s.OnFlush(func(int) error {
		if failed.Swap(true) {
			second <- struct{}{}

			return nil
		}

		select { // give another one the time to come in
		case <-second:
		case <-time.After(100 * time.Millisecond):
		}

		return unix.EIO
	})

	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			if err := s.Sync(job.DoneFolder); !errors.Is(err, job.ErrUntrusted) {
				t.Errorf("sync: %v, want that the disk cannot be trusted", err)
			}
		})
	}

	all.Wait()
}

func TestSyncGoesOnAfterASignal(t *testing.T) {
	t.Parallel()

	s := open(t)
	calls := 0

	s.OnFlush(func(int) error {
		calls++
		if calls < 3 {
			return unix.EINTR
		}

		return nil
	})

	if err := s.Sync(job.DoneFolder); err != nil || calls != 3 {
		t.Errorf("sync: %v after %d calls", err, calls)
	}
}

func TestNamesStreams(t *testing.T) {
	t.Parallel()

	const files = 1500

	s := open(t)

	want := map[string]bool{".hidden": true, "bad\xff": true}
	for i := range files {
		want[fmt.Sprint(i)] = true
	}

	for name := range want {
		drop(t, s, job.DoneFolder, name, "")
	}

	drop(t, s, job.DoneFolder, ".importerd-trial-x", "") // nobody's business

	for range 2 { // each from the beginning
		got := map[string]bool{}

		for name, err := range s.Names(job.DoneFolder) {
			check(t, err)

			if got[name] || !want[name] {
				t.Errorf("%q twice, or not there", name)
			}

			got[name] = true
		}

		if len(got) != len(want) {
			t.Errorf("%d names, want %d", len(got), len(want))
		}
	}

	for _, err := range s.Names(job.DoneFolder) {
		check(t, err)

		break
	}

	for _, err := range s.Names("nowhere") {
		if err == nil {
			t.Error("names of no folder")
		}
	}
}

func TestOpenInboxHasAnOffsetOfItsOwn(t *testing.T) {
	t.Parallel()

	s := open(t)
	drop(t, s, job.InboxFolder, "a.csv", "one")

	for range 2 {
		in, err := s.OpenInbox()
		check(t, err)

		names, err := in.Readdirnames(-1)
		if err != nil || !slices.Equal(names, []string{"a.csv"}) {
			t.Errorf("%q, %v", names, err)
		}

		check(t, in.Close())
	}
}
