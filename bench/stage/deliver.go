package stage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Sent is when which file was renamed into the inbox, by CLOCK_MONOTONIC in ns,
// taken just before the rename.
type Sent map[string]int64

// pace is how often a producer looks at the clock.
const pace = time.Millisecond

// Stream renames the files of the set into the inbox, rate in a second; with rate
// 0 as fast as it can. They were made and flushed beforehand: by a producer that
// does its part. What is left of the set is its empty directory.
func (s *Set) Stream(ctx context.Context, inbox string, rate int) (Sent, error) {
	sent := make(Sent, s.files)

	ticks := time.NewTicker(pace)
	defer ticks.Stop()

	began := Clock()

	for i := 0; i < s.files; {
		due := s.files
		if rate > 0 {
			due = min(due, int((Clock()-began)*int64(rate)/1e9)+1)
		}

		for ; i < due; i++ {
			name := Name(i)
			sent[name] = Clock()

			if err := os.Rename(filepath.Join(s.dir, name), filepath.Join(inbox, name)); err != nil {
				return sent, fmt.Errorf("deliver: %w", err)
			}
		}

		select {
		case <-ctx.Done():
			return sent, context.Cause(ctx)
		case <-ticks.C:
		}
	}

	return sent, nil
}

// parts is in how many parts a slow writer writes, and pause how long it waits
// before each of them.
const (
	parts = 10
	pause = 100 * time.Millisecond
)

// Write writes files of size bytes in place, all at the same time and each in ten
// parts over a second, as an upload does over a slow line.
func Write(ctx context.Context, inbox string, files int, size int64) (Sent, error) {
	sent := make(Sent, files)
	open := make([]*os.File, files)
	content := Content(size)

	ticks := time.NewTicker(pause)
	defer ticks.Stop()

	for part := range parts {
		from, to := part*len(content)/parts, (part+1)*len(content)/parts

		for i := range open {
			if err := write(&open[i], filepath.Join(inbox, Name(i)), content[from:to]); err != nil {
				return nil, err
			}
		}

		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ticks.C:
		}
	}

	for i, f := range open {
		sent[Name(i)] = Clock()

		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("close file: %w", err)
		}
	}

	return sent, nil
}

func write(f **os.File, path string, content []byte) error {
	var err error

	if *f == nil {
		if *f, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644); err != nil {
			return fmt.Errorf("make file: %w", err)
		}
	}

	if _, err := (*f).Write(content); err != nil {
		return fmt.Errorf("write file: %w", err)
	}

	return nil
}

// Clock returns CLOCK_MONOTONIC in ns, which all processes of a machine share.
func Clock() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("bug: no monotonic clock: " + err.Error())
	}

	return t.Nano()
}
