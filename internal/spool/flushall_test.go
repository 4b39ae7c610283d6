package spool_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// flushAll flushes files and returns what was told of each.
func flushAll(t *testing.T, s *spool.Spool, files []job.File) map[int]error {
	t.Helper()

	var mu sync.Mutex

	told := map[int]error{}

	s.FlushAll(files, func(group []job.Flushed) {
		mu.Lock()
		defer mu.Unlock()

		for _, f := range group {
			i := f.At
			if _, again := told[i]; again || i < 0 || i >= len(files) {
				t.Errorf("file %d of %d is told twice, or is none", i, len(files))
			}

			told[i] = f.Err
		}
	})

	if len(told) != len(files) {
		t.Errorf("%d of %d files were told", len(told), len(files))
	}

	return told
}

func TestFlushAllTellsOfEachFile(t *testing.T) {
	t.Parallel()

	has := open(t).HasQueues()

	for _, queued := range []bool{true, false} {
		for _, n := range []int{1, 5, 20, 600} {
			t.Run(fmt.Sprintf("queued=%t/%d", queued, n), func(t *testing.T) {
				t.Parallel()

				s := open(t)
				if !queued {
					s.NoQueues()
				}

				files := make([]job.File, n)
				for i := range files {
					files[i] = dropped(t, s, fmt.Sprint(i), "some text")
				}

				for range 3 { // the queue serves once more
					for i, err := range flushAll(t, s, files) {
						if err != nil && !errors.Is(err, job.ErrOpen) { // a process that was just being started had it
							t.Errorf("file %d: %v", i, err)
						}
					}
				}

				if want := n >= 16 && queued && has; (s.FreeQueues() == 1) != want {
					t.Errorf("%d queues are left, want one: %t", s.FreeQueues(), want)
				}
			})
		}
	}
}

func TestFlushAllRefusesWhatFlushDoes(t *testing.T) {
	t.Parallel()

	for _, queued := range []bool{true, false} {
		s := open(t)
		if !queued {
			s.NoQueues()
		}

		files := make([]job.File, 20)
		for i := range files {
			files[i] = dropped(t, s, fmt.Sprint(i), "some text")
		}

		in := func(i int) string { return s.Path(job.InboxFolder, files[i].Name) }

		check(t, os.Remove(in(1)))
		write(t, in(2), "other text, longer")
		check(t, os.Remove(in(3)))
		check(t, unix.Mkfifo(in(3), 0o600))
		check(t, os.Rename(in(4), in(5)))

		w, err := os.OpenFile(in(6), os.O_WRONLY, 0)
		check(t, err)

		files[7].Name = "a/b"

		told := flushAll(t, s, files)

		for i, want := range map[int]error{
			1: fs.ErrNotExist, 2: job.ErrChanged, 3: job.ErrNotRegular, 4: fs.ErrNotExist, 5: job.ErrOther, 7: fs.ErrInvalid,
		} {
			if !errors.Is(told[i], want) {
				t.Errorf("file %d: %v, want %v", i, told[i], want)
			}
		}

		if s.LeaseWorks() && !errors.Is(told[6], job.ErrOpen) {
			t.Errorf("file that is being written: %v", told[6])
		}

		for _, i := range []int{0, 8, 9, 10, 11} {
			if told[i] != nil && !errors.Is(told[i], job.ErrOpen) {
				t.Errorf("file %d: %v", i, told[i])
			}
		}

		check(t, w.Close())
	}
}

// A disk that refuses a flush through the queue is told as by Flush.
func TestQueueTellsOfALostWrite(t *testing.T) {
	t.Parallel()

	if err := spool.QueueAnswer(-int64(unix.EIO)); !errors.Is(err, unix.EIO) || !errors.Is(err, job.ErrDisk) {
		t.Errorf("%v, want that the disk has lost it", err)
	}

	if err := spool.QueueAnswer(0); err != nil {
		t.Error(err)
	}
}

// A flush that a server never answers must not keep the process from being killed.
func TestFlushAllQueuesNothingOnAServer(t *testing.T) {
	t.Parallel()

	s := open(t)
	s.BelieveRemote()

	files := make([]job.File, 20)
	for i := range files {
		files[i] = dropped(t, s, fmt.Sprint(i), "some text")
	}

	for i, err := range flushAll(t, s, files) {
		if err != nil && !errors.Is(err, job.ErrOpen) { // a process that was just being started had it
			t.Errorf("file %d: %v", i, err)
		}
	}

	if n := s.FreeQueues(); n != 0 {
		t.Errorf("%d queues were made", n)
	}
}

func TestFlushAllOfAClosedSpool(t *testing.T) {
	t.Parallel()

	s, err := spool.Open(t.TempDir(), spool.Options{})
	check(t, err)

	files := make([]job.File, 20)
	for i := range files {
		files[i] = dropped(t, s, fmt.Sprint(i), "some text")
	}

	var all sync.WaitGroup

	for range 4 { // beside the close: none hangs, and each is told
		all.Go(func() { flushAll(t, s, files) })
	}

	check(t, s.Close())
	all.Wait()

	for i, err := range flushAll(t, s, files) {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("file %d: %v, want that the spool is closed", i, err)
		}
	}

	if n := s.FreeQueues(); n != 0 {
		t.Errorf("%d queues are left", n)
	}
}
