package spool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
	"importerd/internal/spool"
)

// leaseEnds is more than a lease is held.
const leaseEnds = 50 * time.Millisecond

// leased runs a test on a spool with leases, with files in its inbox that nobody writes,
// in a bubble of its own time.
func leased(t *testing.T, n int, test func(t *testing.T, s *spool.Spool, files []job.File)) {
	t.Helper()
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		if !s.LeaseWorks() {
			t.Skip("needs a file system with leases")
		}

		files := make([]job.File, n)

		for i := range files {
			drop(t, s, job.InboxFolder, strconv.Itoa(i), "some text")

			var err error

			files[i], err = settled(t, s, job.InboxFolder, strconv.Itoa(i))
			check(t, err)
		}

		test(t, s, files)
	})
}

// flushed flushes files and returns what was told, in their order.
func flushed(s *spool.Spool, files []job.File) []job.Flushed {
	var mu sync.Mutex

	told := make([]job.Flushed, len(files))

	s.FlushAll(files, func(group []job.Flushed) {
		mu.Lock()
		defer mu.Unlock()

		for _, f := range group {
			told[f.At] = f
		}
	})

	return told
}

// writes opens a file for writing without waiting, and says whether it was let in.
func writes(t *testing.T, path string) bool {
	t.Helper()

	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EAGAIN) {
		return false
	}

	check(t, err)
	check(t, unix.Close(fd))

	return true
}

// descriptors returns those by which we have the file open.
func descriptors(t *testing.T, path string) []int {
	t.Helper()

	var open []int

	for _, name := range list(t, "/proc/self/fd") {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", name)); err == nil && to == path {
			fd, err := strconv.Atoi(name)
			check(t, err)

			open = append(open, fd)
		}
	}

	return open
}

// released fails the test unless we have the file closed and let others write it.
func released(t *testing.T, path string) {
	t.Helper()

	if open := descriptors(t, path); len(open) > 0 {
		t.Errorf("%s is open by %v", path, open)
	}

	if !writes(t, path) {
		t.Errorf("%s is kept from who writes it", path)
	}
}

func TestLeaseIsHeldOverTheClaim(t *testing.T) {
	for _, n := range []int{1, 5, 20, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			leased(t, n, func(t *testing.T, s *spool.Spool, files []job.File) {
				for i, f := range flushed(s, files) {
					if f.Err != nil || f.Lease == nil {
						t.Fatalf("file %d: %+v", i, f)
					}

					_, err := s.Claim(files[i])
					check(t, err)

					if until := f.Lease.GiveBack(); !until.Equal(time.Now()) {
						t.Errorf("file %d: nobody wrote until %v, want now", i, until)
					}

					released(t, s.Path(job.ProcessingFolder, files[i].Name))

					if until := f.Lease.GiveBack(); until.IsZero() {
						t.Errorf("file %d: asked again it knows nothing", i)
					}
				}
			})
		})
	}
}

func TestLeaseTellsOfWhoHasBegunToWrite(t *testing.T) {
	leased(t, 1, func(t *testing.T, s *spool.Spool, files []job.File) {
		f := flushed(s, files)[0]

		if writes(t, s.Path(job.InboxFolder, "0")) {
			t.Error("a writer was let in")
		}

		_, err := s.Claim(files[0])
		check(t, err)

		if until := f.Lease.GiveBack(); !until.IsZero() {
			t.Errorf("nobody wrote until %v, want that it is not known", until)
		}

		released(t, s.Path(job.ProcessingFolder, "0"))
	})
}

// A writer that has had to wait is let in when the lease is given back, and seen.
func TestWriterWaitsForTheLease(t *testing.T) {
	leased(t, 1, func(t *testing.T, s *spool.Spool, files []job.File) {
		f := flushed(s, files)[0]
		path := s.Path(job.InboxFolder, "0")
		opened := make(chan *os.File)

		go func() {
			w, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
			}

			opened <- w
		}()

		fds := descriptors(t, path)

		for len(fds) == 1 { // until it waits
			kind, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETLEASE, 0)
			check(t, err)

			if kind != unix.F_RDLCK {
				break
			}
		}

		_, err := s.Claim(files[0])
		check(t, err)

		select {
		case <-opened:
			t.Error("the writer did not wait")
		default:
		}

		if until := f.Lease.GiveBack(); !until.IsZero() {
			t.Errorf("nobody wrote until %v, want that it is not known", until)
		}

		if _, err := s.Probe(job.ProcessingFolder, "0"); !errors.Is(err, job.ErrOpen) {
			t.Errorf("probe: %v, want that somebody writes", err)
		}

		w := <-opened
		check(t, w.Close())
		released(t, s.Path(job.ProcessingFolder, "0"))
	})
}

func TestLeaseEndsByItself(t *testing.T) {
	for _, n := range []int{1, 5, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			leased(t, n, func(t *testing.T, s *spool.Spool, files []job.File) {
				began := time.Now()
				told := flushed(s, files)

				<-time.After(leaseEnds)

				for i, f := range told {
					released(t, s.Path(job.InboxFolder, files[i].Name))

					if until := f.Lease.GiveBack(); until.Before(began) || !until.Before(began.Add(leaseEnds)) {
						t.Errorf("file %d: nobody wrote until %v after the flush", i, until.Sub(began))
					}
				}
			})
		})
	}
}

// While a flush takes long nobody has to wait for it, though the file stays open.
func TestLeaseEndsDuringALongFlush(t *testing.T) {
	leased(t, 1, func(t *testing.T, s *spool.Spool, files []job.File) {
		path := s.Path(job.InboxFolder, "0")

		s.OnFlush(func(fd int) error {
			<-time.After(leaseEnds)
			synctest.Wait()

			if open := descriptors(t, path); len(open) != 1 || open[0] != fd {
				t.Errorf("flush of %d, but the file is open by %v", fd, open)
			}

			if !writes(t, path) {
				t.Error("nobody may write it")
			}

			return nil
		})

		began := time.Now()
		f := flushed(s, files)[0]
		check(t, f.Err)

		if until := f.Lease.GiveBack(); !until.Before(began.Add(leaseEnds)) {
			t.Errorf("nobody wrote until %v after it began", until.Sub(began))
		}

		released(t, path)
	})
}

// Where one flush after the other takes long no more files are held.
func TestNoLeaseOnWhatIsFlushedLate(t *testing.T) {
	const files = 12 // more than are flushed at a time

	leased(t, files, func(t *testing.T, s *spool.Spool, files []job.File) {
		s.OnFlush(func(int) error {
			<-time.After(leaseEnds)

			return nil
		})

		held := 0

		for i, f := range flushed(s, files) {
			check(t, f.Err)
			released(t, s.Path(job.InboxFolder, files[i].Name))

			if f.Lease != nil {
				held++
			}
		}

		if held == 0 || held == len(files) {
			t.Errorf("of %d files %d were held", len(files), held)
		}
	})
}

func TestNothingIsHeldOfWhatIsNotFlushed(t *testing.T) {
	for _, n := range []int{6, 20} { // in lanes, and in a queue
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			leased(t, n, func(t *testing.T, s *spool.Spool, files []job.File) {
				in := func(i int) string { return s.Path(job.InboxFolder, files[i].Name) }

				check(t, os.Remove(in(0)))
				write(t, in(1), "other text, longer")
				check(t, os.Rename(in(2), in(3)))

				w, err := os.OpenFile(in(4), os.O_WRONLY, 0)
				check(t, err)

				told := flushed(s, files)
				check(t, w.Close())

				for i := range 5 {
					if told[i].Err == nil || told[i].Lease != nil {
						t.Errorf("file %d: %+v", i, told[i])
					}
				}

				for i := range files {
					if told[i].Lease != nil {
						told[i].Lease.GiveBack()
					}

					if i != 0 && i != 2 {
						released(t, in(i))
					}
				}
			})
		})
	}
}

func TestNothingIsHeldOfWhatTheDiskHasLost(t *testing.T) {
	leased(t, 6, func(t *testing.T, s *spool.Spool, files []job.File) {
		s.OnFlush(func(int) error { return unix.EIO })

		for i, f := range flushed(s, files) {
			if !errors.Is(f.Err, job.ErrDisk) || f.Lease != nil {
				t.Errorf("file %d: %+v", i, f)
			}

			released(t, s.Path(job.InboxFolder, files[i].Name))
		}
	})
}

// A child that is just being started has a copy of each descriptor.
func TestLeaseIsGivenBackThoughTheFileIsOpen(t *testing.T) {
	leased(t, 1, func(t *testing.T, s *spool.Spool, files []job.File) {
		f := flushed(s, files)[0]
		path := s.Path(job.InboxFolder, "0")

		fds := descriptors(t, path)
		if len(fds) != 1 {
			t.Fatalf("open by %v", fds)
		}

		dup, err := unix.FcntlInt(uintptr(fds[0]), unix.F_DUPFD_CLOEXEC, 0)
		check(t, err)

		f.Lease.GiveBack()

		if !writes(t, path) {
			t.Error("nobody may write it")
		}

		check(t, unix.Close(dup))
	})
}

func TestNoneIsHeldWhereFewFilesMayBeOpen(t *testing.T) {
	for _, n := range []int{1, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			leased(t, n, func(t *testing.T, s *spool.Spool, files []job.File) {
				s.KeepNoneOpen()

				for i, f := range flushed(s, files) {
					if f.Err != nil || f.Lease != nil {
						t.Errorf("file %d: %+v", i, f)
					}

					released(t, s.Path(job.InboxFolder, files[i].Name))
				}
			})
		})
	}
}

func TestNoneIsHeldWithoutLeases(t *testing.T) {
	leased(t, 1, func(t *testing.T, s *spool.Spool, files []job.File) {
		s.RefuseLeases()

		if f := flushed(s, files)[0]; f.Err != nil || f.Lease != nil {
			t.Errorf("%+v", f)
		}

		released(t, s.Path(job.InboxFolder, "0"))
	})
}

// Flush, by which what lies in our folders is flushed, holds none.
func TestFlushHoldsNoLease(t *testing.T) {
	leased(t, 1, func(t *testing.T, s *spool.Spool, files []job.File) {
		path := s.Path(job.InboxFolder, "0")

		s.OnFlush(func(int) error {
			if !writes(t, path) {
				t.Error("nobody may write it")
			}

			return nil
		})
		check(t, s.Flush(job.InboxFolder, files[0]))
		released(t, path)
	})
}
