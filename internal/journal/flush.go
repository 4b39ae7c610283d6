package journal

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"importerd/internal/job"
)

// flusher brings the -wal to the disk. SQLite itself would do so within each
// transaction, and nobody else could write meanwhile: who only notes something must
// not wait for a disk.
type flusher struct {
	file *os.File // the -wal

	mu      sync.Mutex
	ended   *sync.Cond // on mu: a flush has ended
	running bool       // guarded by mu
	begun   int64      // guarded by mu; how many have
	done    int64      // guarded by mu; how many have ended
	err     error      // guarded by mu; of the first that has failed, for good
}

// newFlusher opens the -wal at path. It and its name are on the disk then.
func newFlusher(path string, dir string) (*flusher, error) {
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, diskKind(fmt.Errorf("open the log of the journal: %w", err))
	}

	f := &flusher{file: file}
	f.ended = sync.NewCond(&f.mu)

	return f, syncDir(dir)
}

// flush returns when all is on the disk that was in the -wal when it was called.
// Those who come together share one flush.
func (f *flusher) flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()

	for mine := f.begun + 1; f.done < mine && f.err == nil; {
		if f.running {
			f.ended.Wait()

			continue
		}

		f.begun++
		f.running = true

		f.mu.Unlock()
		err := f.sync()
		f.mu.Lock()

		f.done, f.running, f.err = f.begun, false, err
		f.ended.Broadcast()
	}

	return f.err
}

// sync is one flush.
func (f *flusher) sync() error {
	for {
		err := unix.Fdatasync(int(f.file.Fd()))

		switch err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("%w: flush of the journal: %w", job.ErrUntrusted, err)
		}
	}
}

func (f *flusher) close() { closeQuietly(f.file) }
