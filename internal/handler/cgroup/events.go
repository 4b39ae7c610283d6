package cgroup

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// events is what cgroup.events tells.
type events struct{ populated, frozen bool }

// readEvents reads the events of a group; in one that is gone nothing lives.
func readEvents(dir int) (events, error) {
	text, err := read(dir, "cgroup.events")
	if isGone(err) {
		return events{}, nil
	}

	return parseEvents(text), err
}

func parseEvents(text string) events {
	var e events

	for line := range strings.Lines(text) {
		switch strings.TrimSpace(line) {
		case "populated 1":
			e.populated = true
		case "frozen 1":
			e.frozen = true
		}
	}

	return e
}

// await waits until the events are as they should be, and says whether they are.
func (g *Group) await(wait time.Duration, holds func(events) bool) bool {
	fd, err := unix.Openat(g.fd, "cgroup.events", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return isGone(err) && holds(events{})
	}

	defer func() { _ = unix.Close(fd) }()

	deadline := time.Now().Add(wait)

	for {
		var buf [128]byte

		n, err := unix.Pread(fd, buf[:], 0) // also tells the kernel from when on changes count
		if err != nil {
			return isGone(err) && holds(events{})
		}

		if holds(parseEvents(string(buf[:n]))) {
			return true
		}

		left := time.Until(deadline)
		if left <= 0 {
			return false
		}

		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}
		if _, err := unix.Poll(poll, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return false
		}
	}
}

// isGone says whether an error means that the group was removed.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
