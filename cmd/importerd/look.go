package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/config"
	"importerd/internal/job"
)

// look is a look at a file in an inbox that no daemon watches.
type look struct {
	target
	underWay bool      // a job of its name has not ended
	husks    time.Time // empty files that are older are not taken
}

// reasonNoDaemon is why a file is not taken that could be.
const reasonNoDaemon = "ready: a daemon would take it"

// reason says why the file is in the inbox; no standing: it is not.
func (l look) reason() job.Reason {
	path := filepath.Join(l.inbox(), l.name)

	info, err := os.Lstat(path)

	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return job.Reason{Text: job.ReasonGone}
	case err != nil:
		return job.Reason{Standing: job.Held, Text: err.Error()}
	}

	if r := l.byName(); r.Standing != "" {
		return r
	}

	if !info.Mode().IsRegular() {
		return job.Reason{Standing: job.Ignored, Text: job.ReasonNotRegular}
	}

	return l.byContent(path, info)
}

// byName judges by the name alone; no standing: nothing is wrong with it.
func (l look) byName() job.Reason {
	switch box := (inbox{l.inbox(), l.rules}); {
	case job.Temporary(l.name):
		return job.Reason{Standing: job.Ignored, Text: job.ReasonTemporary}
	case box.isMarker(l.name):
		return job.Reason{Standing: job.Ignored, Text: job.ReasonIsMarker}
	case !box.matches(l.name):
		return job.Reason{Standing: job.Ignored, Text: job.ReasonNoMatch}
	}

	return job.Reason{}
}

// byContent judges a regular file that has a good name.
func (l look) byContent(path string, info os.FileInfo) job.Reason {
	ctime := time.Time{}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		ctime = time.Unix(stat.Ctim.Unix())
	}

	switch {
	case isWritten(path):
		return job.Reason{Standing: job.Settling, Text: job.ReasonOpen}
	case info.Size() == 0 && ctime.Before(l.husks):
		return job.Reason{Standing: job.Held, Text: job.ReasonHusk}
	case l.lacksMarker(path):
		return job.Reason{Standing: job.Settling, Text: job.ReasonNoMarker}
	case l.underWay:
		return job.Reason{Standing: job.Ready, Text: job.ReasonUnderWay}
	}

	return job.Reason{Standing: job.Ready, Text: reasonNoDaemon}
}

// lacksMarker says whether the file waits for its marker.
func (l look) lacksMarker(path string) bool {
	if l.rules == nil || l.rules.Ready != config.ReadyMarker {
		return false
	}

	info, err := os.Lstat(path + l.rules.Marker)

	return err != nil || !info.Mode().IsRegular()
}

// isWritten says whether somebody has the file at path open for writing, as far as the
// kernel tells us: it gives a lease only while nobody has.
func isWritten(path string) bool {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.EAGAIN) {
		return true
	}

	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
		_ = unix.Close(fd) // which gives the lease back
	}

	return errors.Is(err, unix.EAGAIN) || err != nil && len(writersOf(path)) > 0
}
