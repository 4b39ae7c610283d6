package systemd

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// round is what Run remembers from one turn to the next. Only Run touches it.
type round struct {
	n       *Notifier
	timer   *time.Timer
	resting bool            // the timer runs
	failed  bool            // the last sending failed: nothing goes out before the timer ends
	alive   bool            // WATCHDOG=1 is due
	shown   string          // the status that the supervisor has
	told    map[string]bool // kinds of errors that the log has
}

// tell sends what is due: changes of the phase and the watchdog's beat at once,
// the others when the rest is over.
func (r *round) tell() {
	if r.failed {
		return
	}

	deadline := time.Now().Add(patience)

	for message := r.n.next(); message != ""; message = r.n.next() {
		if !r.send(message, deadline) {
			r.n.putBack(message)

			return
		}
	}

	fields, status := r.fields()
	if len(fields) == 0 || !r.send(strings.Join(fields, "\n"), deadline) {
		return
	}

	r.shown, r.alive = status, false
	r.pause()
}

// fields returns the fields that are due and the status that the supervisor has
// when they are sent.
func (r *round) fields() ([]string, string) {
	var fields []string

	status := r.shown

	if !r.resting {
		wanted, busy := r.n.now()
		if wanted != status {
			status = wanted
			fields = append(fields, "STATUS="+status)
		}

		if busy {
			fields = append(fields, "EXTEND_TIMEOUT_USEC="+strconv.FormatInt(extension.Microseconds(), 10))
		}
	}

	if r.alive {
		fields = append(fields, daemon.SdNotifyWatchdog)
	}

	return fields, status
}

// send sends one datagram and says whether that worked. If not, the next try
// waits a rest.
func (r *round) send(message string, deadline time.Time) bool {
	err := r.n.send(message, deadline)
	if err == nil {
		return true
	}

	if kind := root(err).Error(); !r.told[kind] {
		r.told[kind] = true
		r.n.log.Warn().Err(err).Msg("supervisor cannot be told")
	}

	r.failed = true
	r.pause()

	return false
}

// pause starts the rest, unless it has started already.
func (r *round) pause() {
	if !r.resting {
		r.resting = true
		r.timer.Reset(rest)
	}
}

// root returns the innermost error: what is wrapped round it may differ from
// one time to the next.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}

		err = inner
	}
}
