package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	// logLines is how many lines may wait for the reader of the log.
	logLines = 4096
	// logPatience is how long a line waits for room before lines are dropped:
	// the work must not hang because nobody reads the log.
	logPatience = time.Second
)

// logQueue hands lines on to a writer that may stop taking them for a while, or
// for ever, as a pipe does whose reader hangs. What does not fit then is counted
// and told of later.
type logQueue struct {
	to      io.Writer
	lines   chan []byte   // Write sends, run receives; never closed: somebody may log after the end
	quit    chan struct{} // closed by close
	done    chan struct{} // closed by run at its end
	stalled atomic.Bool   // lines are dropped at once
	lost    atomic.Int64  // lines dropped and not told of
}

func newLogQueue(to io.Writer) *logQueue {
	return &logQueue{
		to: to, lines: make(chan []byte, logLines), quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// Write takes a line. It never fails.
func (q *logQueue) Write(line []byte) (int, error) {
	kept := bytes.Clone(line) // the logger uses its buffer again

	select {
	case q.lines <- kept:
		return len(line), nil
	default:
	}

	if !q.stalled.Load() {
		patience := time.NewTimer(logPatience)
		defer patience.Stop()

		select {
		case q.lines <- kept:
			return len(line), nil
		case <-patience.C:
			q.stalled.Store(true)
		}
	}

	q.lost.Add(1)

	return len(line), nil
}

// run writes what comes until close, and then what is left.
func (q *logQueue) run() {
	defer close(q.done)

	for {
		select {
		case line := <-q.lines:
			q.write(line)
		case <-q.quit:
			q.rest()

			return
		}
	}
}

// rest writes what is left.
func (q *logQueue) rest() {
	for {
		select {
		case line := <-q.lines:
			q.write(line)
		default:
			return
		}
	}
}

// write writes a line, and after it how many were lost before it got through.
func (q *logQueue) write(line []byte) {
	_, _ = q.to.Write(line) // a log that nobody takes is no reason to end

	q.stalled.Store(false)

	if n := q.lost.Swap(0); n > 0 {
		_, _ = fmt.Fprintf(q.to, `{"level":"warn","lost":%d,"message":"nobody read the log, lines were lost"}`+"\n", n)
	}
}

// close waits until all is written, but not longer than limit.
func (q *logQueue) close(limit time.Duration) {
	close(q.quit)

	end := time.NewTimer(limit)
	defer end.Stop()

	select {
	case <-q.done:
	case <-end.C:
	}
}
