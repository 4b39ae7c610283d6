package command

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"importerd/internal/handler"
)

const (
	maxLine       = 4 << 10                // bytes of a line on descriptor 3, without its end
	reportPause   = 100 * time.Millisecond // between two deliveries
	maxRetryAfter = 30 * 24 * time.Hour    // the longest wait that a command may ask for
)

// reports takes what a command writes on descriptor 3. However much that is,
// the caller hears at most ten times a second of it: of each kind the latest.
// What is no line of ours is passed over.
type reports struct {
	report func(handler.Report) // nil: nobody asks

	line []byte // the line so far
	long bool   // it is too long: the rest of it is passed over

	progress   *float64 // not yet delivered
	checkpoint *string  // not yet delivered
	delivered  time.Time
	retryAfter time.Duration
}

func newReports(report func(handler.Report)) *reports {
	return &reports{report: report}
}

// take adds b, delivers what is due, and returns when the next delivery is.
func (r *reports) take(b []byte) time.Time {
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		r.add(line)

		if ended {
			r.endLine()
		}

		b = rest
	}

	if r.progress == nil && r.checkpoint == nil {
		return time.Time{}
	}

	if due := r.delivered.Add(reportPause); time.Now().Before(due) {
		return due
	}

	r.deliver()

	return time.Time{}
}

// finish takes the last line, which may lack its end, delivers what is left,
// and returns the wait that the command asked for.
func (r *reports) finish() time.Duration {
	r.endLine()
	r.deliver()

	return r.retryAfter
}

// over does nothing: a command that reports no more may go on.
func (r *reports) over() {}

func (r *reports) add(part []byte) {
	if r.long || len(r.line)+len(part) > maxLine {
		r.long = true

		return
	}

	r.line = append(r.line, part...)
}

func (r *reports) endLine() {
	if !r.long {
		r.parse(r.line)
	}

	r.line, r.long = r.line[:0], false
}

// parse takes one line. A byte that no environment can hold makes it garbage:
// a checkpoint must be able to reach the next attempt.
func (r *reports) parse(line []byte) {
	if bytes.IndexByte(line, 0) >= 0 {
		return
	}

	word, value, _ := bytes.Cut(line, []byte(" "))

	switch string(word) {
	case "progress":
		if p, ok := number(value); ok && p <= 1 {
			r.progress = &p
		}
	case "checkpoint":
		text := string(value)
		r.checkpoint = &text
	case "retry-after":
		if s, ok := number(value); ok {
			r.retryAfter = time.Duration(min(s, maxRetryAfter.Seconds()) * float64(time.Second))
		}
	}
}

// number reads a finite number that is not negative.
func number(b []byte) (float64, bool) {
	n, err := strconv.ParseFloat(string(bytes.TrimSpace(b)), 64)

	return n, err == nil && n >= 0 && !math.IsInf(n, 1)
}

// deliver tells the caller what is new.
func (r *reports) deliver() {
	progress, checkpoint := r.progress, r.checkpoint
	r.progress, r.checkpoint = nil, nil
	r.delivered = time.Now()

	if r.report == nil {
		return
	}

	if progress != nil {
		r.report(handler.Report{Progress: progress})
	}

	if checkpoint != nil {
		r.report(handler.Report{Checkpoint: checkpoint})
	}
}
