// Command bare is the loop that importerd is measured against: it renames each
// file of inbox/ to processing/, does what is asked with it, and renames it to
// done/. It makes nothing durable but what -fsync says, keeps no record, proves
// nothing about the file, and loses its place when it is killed. So it shows what
// the file system and the kernel allow.
//
//	bare -dir DIR [-workers N] [-fsync N] [-follow] [-note FILE] [[-ask] -- COMMAND…]
//
// Without -follow it ends when the inbox is empty.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

func main() {
	l := &loop{}
	flag.StringVar(&l.dir, "dir", ".", "directory with inbox, processing and done")
	flag.IntVar(&l.workers, "workers", 1, "how many files at a time")
	flag.IntVar(&l.flush, "fsync", 0, "fsync processing and done after so many files (0: never)")
	flag.BoolVar(&l.follow, "follow", false, "go on when the inbox is empty, by inotify")
	flag.BoolVar(&l.ask, "ask", false, "the command is a co-process for each worker: one line in, one line out")
	flag.StringVar(&l.note, "note", "", "note each file in this one, as the benchmark's handler does")
	flag.Parse()

	l.command = flag.Args()

	if err := l.run(); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

// loop is one run of the program.
type loop struct {
	dir            string
	workers, flush int
	follow, ask    bool
	command        []string
	note           string

	inbox, processing, done int // directory descriptors
	handled                 atomic.Int64
}

// some is how many names are handed to a worker at once: a name alone costs more
// to hand over than to rename, many are unfair where a file takes long.
func (l *loop) some() int {
	if len(l.command) > 0 {
		return 4
	}

	return 64
}

func (l *loop) run() error {
	for name, fd := range map[string]*int{"inbox": &l.inbox, "processing": &l.processing, "done": &l.done} {
		if err := l.open(name, fd); err != nil {
			return err
		}
	}

	// The reader sends and closes, the workers receive. Events are taken from the
	// kernel's queue before there is a worker for them, or it overflows.
	ahead := 0
	if l.follow {
		ahead = 1 << 12
	}

	names := make(chan []string, ahead)
	failed := make(chan error, l.workers+1)

	var workers sync.WaitGroup
	for range l.workers {
		workers.Go(func() {
			if err := l.work(names); err != nil {
				failed <- err

				for range names { // so that the reader ends
					continue
				}
			}
		})
	}

	if err := l.read(names); err != nil {
		failed <- err
	}

	close(names)
	workers.Wait()
	close(failed)

	if err := <-failed; err != nil {
		return err
	}

	return l.sync()
}

func (l *loop) open(name string, fd *int) error {
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}

	var err error
	if *fd, err = unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}

	return nil
}

// work handles names until there are no more.
func (l *loop) work(names <-chan []string) error {
	h, err := l.handler()
	if err != nil {
		return err
	}

	for some := range names {
		for _, name := range some {
			if err := l.one(h, name); err != nil {
				return err
			}
		}
	}

	return h.close()
}

func (l *loop) one(h handler, name string) error {
	err := unix.Renameat2(l.inbox, name, l.processing, name, unix.RENAME_NOREPLACE)
	if err == unix.ENOENT { // told twice, by directory and event
		return nil
	} else if err != nil {
		return fmt.Errorf("claim %s: %w", name, err)
	}

	if err := h.handle(filepath.Join(l.dir, "processing", name), name); err != nil {
		return err
	}

	if err := unix.Renameat2(l.processing, name, l.done, name, unix.RENAME_NOREPLACE); err != nil {
		return fmt.Errorf("finish %s: %w", name, err)
	}

	if n := l.handled.Add(1); l.flush > 0 && n%int64(l.flush) == 0 {
		return l.sync()
	}

	return nil
}

func (l *loop) sync() error {
	if l.flush == 0 {
		return nil
	}

	if err := unix.Fsync(l.processing); err != nil {
		return fmt.Errorf("fsync processing: %w", err)
	}

	if err := unix.Fsync(l.done); err != nil {
		return fmt.Errorf("fsync done: %w", err)
	}

	return nil
}
