package watch

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"importerd/internal/job"
)

const (
	// busyMin and busyMax bound the pause before a busy file is looked at again.
	busyMin = 50 * time.Millisecond
	busyMax = time.Second

	// glance is how long a file waits that came by an event of creation and may
	// as well have been written in place: the event that says so follows closely.
	glance = 5 * time.Millisecond

	// tick is more than the coarsest grain with which a kernel stamps files: a
	// file may have been changed so much later than its ctime says.
	tick = 20 * time.Millisecond
)

// sight is what is known of one file from looking at it. The zero sight is of
// a file that was never looked at.
type sight struct {
	file    job.File      // as it was at the last look
	since   time.Time     // first look that found it so and closed, on our clock; zero: none
	delay   time.Duration // the last pause of a busy file
	arrived bool          // an event said that its name is new
	written bool          // it was seen being written in place
	young   bool          // it may have changed since the sweep that found it began
}

// verdict is what follows from one look at a file.
type verdict struct {
	reason reason
	again  time.Duration // look again after this; zero: when somebody mentions it
	file   job.File      // as it is now; zero where that is not known
	why    string        // more than the reason's text says; empty: no more
}

// rules decide whether a file is whole. They do no I/O and know no clock.
type rules struct {
	match  []string
	mode   Mode
	marker string
	settle time.Duration
	linger time.Duration
	husk   time.Time
}

// name judges by the name alone; ready means: look at the file.
func (r *rules) name(name string) reason {
	switch {
	case job.Temporary(name):
		return temporary
	case r.isMarker(name):
		return isMarker
	case !r.matches(name):
		return noMatch
	}

	return ready
}

// isMarker says whether name is one that only markers have.
func (r *rules) isMarker(name string) bool {
	return r.mode == ModeMarker && strings.HasSuffix(name, r.marker)
}

func (r *rules) matches(name string) bool {
	for _, glob := range r.match {
		if doublestar.MatchUnvalidated(glob, name) {
			return true
		}
	}

	return len(r.match) == 0
}

// judge says what a look means that found file and err at the time now, and
// notes it in s. A file not known before is young unless its ctime lies before
// the time before, which is wall-clock time as ctimes are.
func (r *rules) judge(s *sight, file job.File, err error, before, now time.Time) verdict {
	switch {
	case err == nil, errors.Is(err, job.ErrNoLease):
	case errors.Is(err, job.ErrOpen):
		return s.busy(file)
	case errors.Is(err, fs.ErrNotExist):
		return verdict{reason: gone}
	case errors.Is(err, job.ErrNotRegular):
		return verdict{reason: notRegular}
	case errors.Is(err, job.ErrUnreadable):
		return verdict{reason: unreadable, file: file, why: detail(err)}
	default:
		return verdict{reason: ioError, file: file}
	}

	if file.Size == 0 && file.Ctime.Before(r.husk) {
		return verdict{reason: husk, file: file}
	}

	s.note(file, before, now)

	if left := r.quiet(s, err == nil) - now.Sub(s.since); left > 0 {
		return verdict{reason: settling, again: left, file: file}
	}

	return verdict{reason: ready, file: file}
}

// quiet is how long the file must be unchanged. leased: the kernel says that
// nobody writes it.
func (r *rules) quiet(s *sight, leased bool) time.Duration {
	switch {
	case r.mode == ModeSettle, !leased, s.file.Size == 0:
		return r.settle
	case s.written:
		return r.linger
	case s.arrived && s.file.Ctime.After(s.file.Mtime):
		return 0 // a rename or a link set the ctime
	case s.arrived:
		return min(glance, r.linger)
	case s.young:
		return r.linger
	}

	return 0
}

// busy notes that somebody writes the file. Tools set times and modes after
// they close, so quiet time begins with the first look that finds it closed.
func (s *sight) busy(file job.File) verdict {
	s.written = true
	s.file, s.since = file, time.Time{}
	s.delay = min(max(2*s.delay, busyMin), busyMax)

	return verdict{reason: open, again: s.delay, file: file}
}

// note notes how the file is now.
func (s *sight) note(file job.File, before, now time.Time) {
	s.delay = 0

	switch {
	case s.since.IsZero():
		s.young = !file.Ctime.Before(before.Add(-tick))
	case file.Quiet(s.file):
		return
	default: // written, or another file took the name and the event that says so is on its way
		s.written = true
	}

	s.file, s.since = file, now
}

// detail says how a file is unreadable; empty: that is not known.
func detail(err error) string {
	if e, ok := errors.AsType[*job.UnreadableError](err); ok {
		return e.Error()
	}

	return ""
}
