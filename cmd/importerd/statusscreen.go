package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"importerd/internal/config"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// day is one, for rates.
const day = 24 * time.Hour

// screen is the status for people.
type screen struct {
	*painter
	now time.Time
}

// print shows how the daemon and its spools stand.
func (s screen) print(all wire.Spools, problems []problem) {
	s.head(all.Daemon)

	if why := all.Daemon.ReloadError; why != "" {
		s.row(red, "reload", "the changed configuration could not be taken, the one before holds: "+why)
	}

	for i := range all.Spools {
		s.spool(&all.Spools[i], problems)
	}

	if len(all.Spools) == 0 {
		s.row(plain, "", "it has no spools")
	}
}

// head tells of the daemon.
func (s screen) head(d wire.Daemon) {
	text := strings.TrimSpace("importerd " + d.Version)
	if !d.StartedAt.IsZero() {
		text += ", up " + since(d.StartedAt, s.now)
	}

	if d.PID != 0 {
		text += fmt.Sprintf(", process %d", d.PID)
	}

	if d.Draining {
		text += ", draining: nothing more is taken"
	}

	s.text(bold, text)
}

// spool tells of one spool.
func (s screen) spool(w *wire.Spool, problems []problem) {
	colour, how := words(w, problems)

	s.blank()
	s.title(w.Name, colour, how)
	s.row(plain, "dir", whereabouts(w))

	if w.Paused {
		s.row(yellow, "paused", "by a person: nothing is taken until importerd resume --spool "+w.Name)
	}

	s.row(red, "degraded", w.Degraded)
	s.row(red, "broken", orNothing(w.Broken, "%s; one job at a time is tried until one succeeds"))
	s.row(red, "disk", orNothing(w.Disk, "%s; it is tried again"))

	if w.StartedAt.IsZero() { // nothing is counted while it is not open
		return
	}

	s.inbox(w)
	s.work(w)
	s.ended(w)
}

// words say in short how a spool stands.
func words(w *wire.Spool, problems []problem) (colour, string) {
	var bad []string

	for _, p := range problems {
		if p.Spool == w.Name {
			bad = append(bad, p.What)
		}
	}

	c, text := green, "ok"
	if len(bad) > 0 {
		c, text = red, strings.Join(bad, ", ")
	}

	for _, one := range []struct {
		so   bool
		word string
	}{{w.Paused, "paused"}, {w.Draining, "draining"}} {
		if one.so && c == green {
			c, text = yellow, one.word
		} else if one.so {
			text += ", " + one.word
		}
	}

	return c, text
}

// whereabouts says where a spool is.
func whereabouts(w *wire.Spool) string {
	if w.Inbox == "" || strings.HasPrefix(w.Inbox, w.Dir+"/") {
		return w.Dir
	}

	return w.Dir + ", inbox " + w.Inbox
}

// inbox tells of the files that are no jobs yet.
func (s screen) inbox(w *wire.Spool) {
	text := "nothing"
	if w.Waiting > 0 {
		text = plural(w.Waiting, "file")

		if !w.OldestAt.IsZero() {
			text += ", the oldest for " + since(w.OldestAt, s.now)
		}

		switch w.Settling {
		case 0:
		case w.Waiting:
			text += "; settling"
		default:
			text += "; " + number(w.Settling) + " of them settling"
		}
	}

	s.row(plain, "waiting", text)
	s.reasons(plain, "", w, job.Settling, 0)
	s.reasons(red, "held", w, job.Held, w.Held)
	s.reasons(plain, "ignored", w, job.Ignored, w.Ignored)

	if !w.Events && w.Degraded == "" && !w.Draining {
		s.row(yellow, "watching", "by sweeps alone: the kernel tells nothing of new files")
	}
}

// reasons tells why files of a standing are passed over. What has no reason of
// the inbox is told as a number.
func (s screen) reasons(c colour, label string, w *wire.Spool, standing job.Standing, all int) {
	for _, r := range w.Reasons {
		if r.Standing != standing {
			continue
		}

		text := plural(r.Files, "file") + ": " + r.Text
		if r.Example != "" {
			text += ", such as " + r.Example
		}

		s.row(c, label, text)

		label = ""
		all -= r.Files
	}

	if all > 0 {
		s.row(c, label, plural(all, "file")+": importerd explain says why")
	}
}

// work tells of the jobs that have not ended.
func (s screen) work(w *wire.Spool) {
	text := fmt.Sprintf("%s of %s", number(w.Running), number(w.Workers))
	if w.Running > 0 && !w.LongestAt.IsZero() {
		text += ", the longest for " + since(w.LongestAt, s.now)
	}

	if w.Committing > 0 {
		text += fmt.Sprintf("; %s ended, not written down yet", number(w.Committing))
	}

	s.row(plain, "running", text)
	s.processes(w)

	if w.Isolation != "" {
		s.row(plain, "isolation", "by "+string(w.Isolation))
	}

	if w.PausedJobs > 0 {
		s.row(yellow, "paused", plural(w.PausedJobs, "job")+", by a person")
	}

	text = ""
	if w.Deferred > 0 {
		text = plural(w.Deferred, "job")
	}

	if w.Later > 0 {
		text = strings.TrimPrefix(text+"; put off by the handler "+times(w.Later)+" since the start", "; ")
	}

	s.row(plain, "deferred", text)

	if w.Interrupted > 0 {
		s.row(plain, "stopped", plural(w.Interrupted, "attempt")+" interrupted since the start")
	}

	if w.Trigger != nil {
		s.row(plain, "trigger", w.Trigger.String()+" has not ended")
	}
}

// processes tells of long-lived workers.
func (s screen) processes(w *wire.Spool) {
	if w.Processes+w.Unexpected == 0 {
		return
	}

	text := number(w.Processes) + " there"
	if w.Unexpected == 0 {
		s.row(plain, "workers", text)

		return
	}

	s.row(yellow, "workers", text+", ended unasked "+times(w.Unexpected)+" since the start")
}

// ended tells of the jobs that have ended, and how much of the disk they take.
func (s screen) ended(w *wire.Spool) {
	text := plural(w.Jobs.Done, "job")
	if w.DoneSize > 0 {
		text += ", " + size(w.DoneSize)
	}

	s.row(plain, "done", text+s.growth(w))

	text = number(w.Jobs.Failed)
	if w.Jobs.Terminated > 0 {
		text += fmt.Sprintf(", terminated %s", number(w.Jobs.Terminated))
	}

	c := plain

	if w.LastError != "" {
		text += "; the last"
		if !w.LastErrorAt.IsZero() {
			text += " " + since(w.LastErrorAt, s.now) + " ago"
		}

		text += ": " + w.LastError

		if w.LastFailed != nil {
			text += " (importerd show " + shortID(*w.LastFailed) + ")"
		}

		c = yellow
	}

	s.row(c, "failed", text)

	if w.JournalSize > 0 {
		s.row(plain, "journal", size(w.JournalSize))
	}
}

// growth says how much came to done/ since the start, and how long it stays.
func (s screen) growth(w *wire.Spool) string {
	text := ""

	if up := s.now.Sub(w.StartedAt); w.DoneJobs > 0 {
		text = fmt.Sprintf("; %s, %s since the start %s ago",
			number(w.DoneJobs), size(w.DoneBytes), since(w.StartedAt, s.now))

		if up >= time.Hour {
			perDay := float64(w.DoneBytes) * float64(day) / float64(up)
			text += fmt.Sprintf(" (%s a day)", size(int64(perDay)))
		}
	}

	switch {
	case w.KeepDone > 0:
		text += "; kept " + config.FormatDuration(time.Duration(w.KeepDone*float64(time.Second)))
	case w.Jobs.Done > 0:
		text += "; kept for ever: done/ grows until keep is set"
	}

	return text
}

// since says how long ago at was, in two units at most.
func since(at, now time.Time) string {
	d, unit := max(now.Sub(at), 0), time.Hour

	switch {
	case d < time.Minute:
		unit = time.Second
	case d < day:
		unit = time.Minute
	}

	return config.FormatDuration(d.Truncate(unit))
}

// plural writes n things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}

	return number(n) + " " + thing + "s"
}

// times writes how often.
func times(n int) string {
	if n == 1 {
		return "once"
	}

	return number(n) + " times"
}

// number writes n with commas.
func number(n int) string { return humanize.Comma(int64(n)) }

// size writes n bytes in a unit that fits.
func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// orNothing formats text unless it is empty.
func orNothing(text, format string) string {
	if text == "" {
		return ""
	}

	return fmt.Sprintf(format, text)
}
