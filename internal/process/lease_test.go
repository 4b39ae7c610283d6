package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// leases skips a test on a file system that knows none.
func (r *rig) leases() {
	r.Helper()

	if !r.disk.LeaseWorks() {
		r.Skip("needs a file system with leases")
	}
}

func TestGuardedFileIsNotProbedAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.leases()
		r.inbox("a")
		r.start()
		r.want("done/a")

		if got := len(r.book.with("probe ")); got != 1 { // after the handler
			r.Errorf("%d probes: %q", got, r.book.with("probe "))
		}

		r.stops()
	})
}

// TestHandlerMayWriteItsFile: the lease that has kept others from it does not keep it.
func TestHandlerMayWriteItsFile(t *testing.T) {
	bubble(t, func(r *rig) {
		r.handles(func(_ context.Context, task handler.Task) job.Exit {
			fd, err := unix.Open(task.Path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if err != nil {
				r.Error(err)

				return job.Exit{}
			}

			if err := unix.Close(fd); err != nil {
				r.Error(err)
			}

			return job.Exit{}
		})
		r.inbox("a")
		r.start()
		r.want("done/a")
		r.stops()
	})
}

// TestWriterThatGaveUpAtTheClaim: somebody has begun to write, so the file is looked at.
func TestWriterThatGaveUpAtTheClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		r.leases()
		r.disk.breaks(func(call string) error {
			if call == "claim a" {
				fd, err := unix.Open(r.disk.Path(job.InboxFolder, "a"), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
				if !errors.Is(err, unix.EAGAIN) {
					r.Errorf("a writer was let in: %d, %v", fd, err)
				}
			}

			return nil
		})
		r.inbox("a")
		r.start()
		r.want("done/a")
		r.order("claim a", "probe processing/a", "run a")
		r.stops()
	})
}

// TestWriterThatWaitsAtTheClaim: it is let in after the rename, and no handler is started.
func TestWriterThatWaitsAtTheClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		r.leases()

		opened := make(chan *os.File, 1)

		r.disk.breaks(func(call string) error {
			if call != "claim a" {
				return nil
			}

			r.disk.breaks(nil)

			go func() {
				w, err := os.OpenFile(r.disk.Path(job.InboxFolder, "a"), os.O_WRONLY|os.O_APPEND, 0)
				if err != nil {
					r.Error(err)
				}

				opened <- w
			}()

			r.untilBreaks("a")

			return nil
		})
		r.inbox("a")
		r.start()

		w := <-opened
		synctest.Wait()
		r.want("deferred/a")
		r.pass(5 * time.Second)
		r.runs("a", 0)

		if _, err := w.WriteString(" and more"); err != nil {
			r.Error(err)
		}

		if err := w.Close(); err != nil {
			r.Error(err)
		}

		r.pass(time.Second)
		r.want("done/a")
		r.order("claim a", "flush processing/a", "run a attempt 1")
		r.stops()
	})
}

// untilBreaks waits until somebody waits to write a file of the inbox.
func (r *rig) untilBreaks(name string) {
	r.Helper()

	f, err := r.disk.Stat(job.InboxFolder, name)
	if err != nil {
		r.Fatal(err)
	}

	file := fmt.Sprintf(":%d ", f.Ino)

	for range 1_000_000 {
		locks, err := os.ReadFile("/proc/locks")
		if err != nil {
			r.Fatal(err)
		}

		for line := range strings.Lines(string(locks)) {
			if strings.Contains(line, "BREAKING") && strings.Contains(line, file) {
				return
			}
		}
	}

	r.Fatal("nobody waits")
}

// TestLeaseEndsWhereTheClaimDoesNotFollow: who writes waits for a moment only.
func TestLeaseEndsWhereTheClaimDoesNotFollow(t *testing.T) {
	bubble(t, func(r *rig) {
		release := make(chan struct{})
		r.handles(func(context.Context, handler.Task) job.Exit {
			<-release

			return job.Exit{}
		})
		r.inbox("a")
		r.start()
		r.inbox("b")
		r.pass(leased)

		fd, err := unix.Open(r.disk.Path(job.InboxFolder, "b"), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			r.Fatal(err)
		}

		r.order("flush inbox/b")
		close(release)
		r.pass(gathers)
		r.runs("b", 0)

		if err := unix.Close(fd); err != nil {
			r.Error(err)
		}

		r.pass(sweepEvery)
		r.want("done/a", "done/b")
		r.stops()
	})
}

// TestLeaseOnAnotherFileProvesNothing: the name came to mean another one at the rename.
func TestLeaseOnAnotherFileProvesNothing(t *testing.T) {
	bubble(t, func(r *rig) {
		r.disk.breaks(failing("claim a", job.ErrOther))
		r.inbox("a")
		r.start()
		r.want("done/a")
		r.order("claim a", "probe processing/a", "flush processing/a", "run a")
		r.stops()
	})
}

// TestLeaseThatEndedBeforeTheClaim: after it somebody may have begun to write.
func TestLeaseThatEndedBeforeTheClaim(t *testing.T) {
	bubble(t, func(r *rig) {
		release := make(chan struct{})
		r.handles(func(context.Context, handler.Task) job.Exit {
			<-release

			return job.Exit{}
		})
		r.inbox("a")
		r.start()
		r.inbox("b")
		r.pass(leased)
		close(release)
		r.pass(gathers)
		r.want("done/a", "done/b")
		r.order("flush inbox/b", "claim b", "probe processing/b", "run b")
		r.stops()
	})
}

// TestOldLeaseProvesNothing: what has waited long for a slot is looked at again.
func TestOldLeaseProvesNothing(t *testing.T) {
	bubble(t, func(r *rig) {
		r.leases()

		release := r.ahead()
		r.pass(time.Second)
		release()
		r.pass(time.Second)
		r.order("claim a", "probe processing/a", "run a")
		r.stops()
	})
}
