package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// read sends the names that are in the inbox, and with -follow those that come.
func (l *loop) read(names chan<- []string) error {
	inbox := filepath.Join(l.dir, "inbox")
	events := -1

	if l.follow {
		var err error
		if events, err = watch(inbox); err != nil {
			return err
		}
	}

	dir, err := os.Open(inbox)
	if err != nil {
		return fmt.Errorf("open inbox: %w", err)
	}
	defer dir.Close()

	for {
		some, err := dir.Readdirnames(l.some())
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read inbox: %w", err)
		}

		names <- some
	}

	if l.follow {
		return l.listen(events, names)
	}

	return nil
}

func watch(inbox string) (int, error) {
	events, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("watch inbox: %w", err)
	}

	if _, err := unix.InotifyAddWatch(events, inbox, unix.IN_MOVED_TO|unix.IN_CLOSE_WRITE); err != nil {
		return -1, fmt.Errorf("watch inbox: %w", err)
	}

	return events, nil
}

// listen sends the names that the kernel tells of, until it is killed. What an
// overflow of the queue has cost stays in the inbox.
func (l *loop) listen(events int, names chan<- []string) error {
	buffer := make([]byte, 1<<16)

	for {
		n, err := unix.Read(events, buffer)
		if err == unix.EINTR {
			continue
		} else if err != nil {
			return fmt.Errorf("read events: %w", err)
		}

		if some := parse(buffer[:n]); len(some) > 0 {
			names <- some
		}
	}
}

// parse returns the names in what inotify has written.
func parse(events []byte) []string {
	var names []string

	for len(events) >= unix.SizeofInotifyEvent {
		event := (*unix.InotifyEvent)(unsafe.Pointer(&events[0])) //nolint:gosec // the kernel's own layout
		end := unix.SizeofInotifyEvent + int(event.Len)

		if name, _, _ := bytes.Cut(events[unix.SizeofInotifyEvent:end], []byte{0}); len(name) > 0 {
			names = append(names, string(name))
		}

		events = events[end:]
	}

	return names
}
