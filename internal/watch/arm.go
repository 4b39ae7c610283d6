package watch

import (
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"importerd/internal/job"
)

// events and errors are the source's; nil, which is never ready, without one.
func (l *loop) events() <-chan fsnotify.Event {
	if l.source == nil {
		return nil
	}

	return l.source.Events()
}

func (l *loop) errors() <-chan error {
	if l.source == nil {
		return nil
	}

	return l.source.Errors()
}

// drain takes the events that are there already: the kernel's queue must not
// run over while we look at files.
func (l *loop) drain() {
	for range eventsAtOnce {
		select {
		case event, ok := <-l.events():
			l.absorb(event, ok)
		case err, ok := <-l.errors():
			l.trouble(err, ok)
		default:
			return
		}
	}
}

// absorb turns an event into a hint; ok is false when the source has ended.
func (l *loop) absorb(event fsnotify.Event, ok bool) {
	if !ok {
		l.sourceEnded()

		return
	}

	if event.Name == l.opts.Path { // the inbox itself
		if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
			l.plan.check = time.Now()
		}

		return
	}

	l.mention(event.Name[strings.LastIndexByte(event.Name, '/')+1:], hint{
		arrived: event.Has(fsnotify.Create),
		written: event.Has(fsnotify.Write),
		touched: event.Has(fsnotify.Chmod),
		gone:    event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename),
	})
}

// trouble does what an error of the source asks for: events may be lost.
func (l *loop) trouble(err error, ok bool) {
	if !ok {
		l.sourceEnded()

		return
	}

	l.want()

	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		l.log.Warn().Err(err).Msg("trouble with events, sweeping")

		return
	}

	l.overflow++
	if l.reported.mayTellOverflow(time.Now()) {
		l.log.Warn().Int("overflows", l.overflow).Msg("more events than the kernel keeps, sweeping")
	}
}

func (l *loop) sourceEnded() {
	l.disarm()
	l.deaf = noEvents(fsnotify.ErrClosed)
	l.plan.check = time.Now()
}

// check looks after the inbox and the events, and repairs both if it can. Only
// what the spool's owner must repair is an error.
func (l *loop) check() error {
	l.plan.check = time.Now().Add(l.opts.Sweep)

	err := l.inbox.CheckInbox()
	if err != nil {
		l.lose(err)
		err = l.reopen(err)
	} else if l.lost != "" {
		err = l.reopen(nil) // it is back; what we hold may be older
	}

	if errors.Is(err, job.ErrSpoolReplaced) {
		return err
	}

	if l.lost == "" {
		if !l.early {
			l.listen()
		}

		l.countWaiting(time.Now())
		l.age()
	}

	l.degrade()

	return nil
}

// lose forgets all that is known of an inbox that is not ours any more, so that
// nothing of it is handed over and there is nothing to do but to check.
func (l *loop) lose(err error) {
	l.lost = "the inbox was replaced"
	if !errors.Is(err, job.ErrInboxReplaced) {
		l.lost = err.Error()
	}

	l.disarm()
	l.dropPasses()
	l.hints, l.table, l.buffer = newHints(), newTable(), newBuffer(l.opts.Order)
	l.passed, l.beyond, l.oldest = tally{}, 0, time.Time{}
	l.leftover, l.more = false, false
}

// reopen takes hold of the inbox anew; cause is what was wrong with it.
func (l *loop) reopen(cause error) error {
	if errors.Is(cause, job.ErrSpoolReplaced) {
		return cause
	}

	err := l.inbox.ReopenInbox()

	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.lost = "the inbox is missing"
	case err != nil:
		l.lost = "the inbox was replaced: " + err.Error()
	default:
		l.log.Warn().Str("why", l.lost).Msg("inbox opened anew")

		l.lost = ""
		l.plan.soon = time.Now()
		l.plan.sweep = l.plan.soon
		l.wanted = true
	}

	return err //nolint:wrapcheck // only its kind matters to the caller
}

// armLate turns the events on at the start, after a short look at the first files.
// To turn them on the kernel goes through all files of the directory that it remembers:
// a tenth of a second for a million, in which none of them can be renamed. The first
// files are on their way then. What comes before that the sweep finds that follows.
func (l *loop) armLate() {
	if !l.early || l.sweepRuns() && time.Since(l.sweep.began) < earlyFor {
		return
	}

	l.early = false

	if l.lost != "" {
		return
	}

	l.dropPasses()
	l.listen()
	l.want()
	l.degrade()
}

// listen sees to it that events come.
func (l *loop) listen() {
	if l.source != nil && l.source.Watching() {
		return
	}

	again := l.source != nil || l.deaf != ""
	l.disarm()

	if err := l.arm(); err != nil {
		l.deaf = noEvents(err)

		return
	}

	l.deaf = ""

	if again { // whatever happened in between told nobody
		l.want()
	}
}

func (l *loop) arm() error {
	source, err := l.opts.newSource()
	if err != nil {
		return err
	}

	if err := source.Add(l.opts.Path); err != nil {
		_ = source.Close() // it watches nothing

		return err //nolint:wrapcheck // the source has said what it tried
	}

	l.source = source

	return nil
}

func (l *loop) disarm() {
	if l.source == nil {
		return
	}

	if err := l.source.Close(); err != nil {
		l.log.Warn().Err(err).Msg("events not ended")
	}

	l.source = nil
}

// degrade tells what does not work, and logs it when another kind of thing does
// not; what stands after the colon may differ each time.
func (l *loop) degrade() {
	why := l.lost
	if why == "" {
		why = l.unread
	}

	if why == "" {
		why = l.deaf
	}

	before, _, _ := strings.Cut(l.degraded, ":")
	now, _, _ := strings.Cut(why, ":")
	l.degraded = why

	switch now {
	case before:
	case "":
		l.log.Info().Msg("watch recovered")
	default:
		l.log.Warn().Str("why", why).Msg("watch degraded")
	}
}
