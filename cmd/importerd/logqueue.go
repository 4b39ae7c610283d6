package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// logPatience is how long a line waits until it is written. Then lines are
// dropped: the work must not hang because nobody reads the log.
const logPatience = time.Second

// logQueue hands lines, one or several at a time, on to a writer that may stop taking them for a while, or
// for ever, as a pipe does whose reader hangs. A line is written when Write
// returns, for the journal notes next that it was told; only where the reader
// hangs lines are dropped, counted and told of later.
type logQueue struct {
	to      io.Writer
	lines   chan logLine  // Write sends, run receives; never closed: somebody may log after the end
	quit    chan struct{} // closed by close
	done    chan struct{} // closed by run at its end
	stalled atomic.Bool   // lines are dropped at once
	lost    atomic.Int64  // lines dropped and not told of
}

// logLine is one line on its way.
type logLine struct {
	text    []byte
	written chan struct{} // closed by run
}

func newLogQueue(to io.Writer) *logQueue {
	return &logQueue{
		to: to, lines: make(chan logLine), quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// Write writes a line, or drops it. It never fails.
func (q *logQueue) Write(text []byte) (int, error) {
	if q.stalled.Load() {
		q.lose(text)

		return len(text), nil
	}

	line := logLine{bytes.Clone(text), make(chan struct{})} // the logger uses its buffer again

	patience := time.NewTimer(logPatience)
	defer patience.Stop()

	select {
	case q.lines <- line:
	case <-patience.C:
		q.stalled.Store(true)
		q.lose(text)

		return len(text), nil
	}

	select {
	case <-line.written:
	case <-patience.C: // it is written when somebody reads again
		q.stalled.Store(true)
	}

	return len(text), nil
}

// lose counts lines that are dropped.
func (q *logQueue) lose(text []byte) { q.lost.Add(int64(bytes.Count(text, []byte("\n")))) }

// run writes what comes until close.
func (q *logQueue) run() {
	defer close(q.done)

	for {
		select {
		case line := <-q.lines:
			q.write(line)
		case <-q.quit:
			return
		}
	}
}

// write writes a line, and after it how many were lost before it got through.
func (q *logQueue) write(line logLine) {
	_, err := q.to.Write(line.text)

	close(line.written)
	q.stalled.Store(false)

	if err != nil { // a log that nobody takes is no reason to end
		q.lose(line.text)

		return
	}

	n := q.lost.Swap(0)
	if n == 0 {
		return
	}

	_, err = fmt.Fprintf(q.to, `{"level":"warn","lost":%d,"message":"nobody read the log, lines were lost"}`+"\n", n)
	if err != nil {
		q.lost.Add(n)
	}
}

// close ends run. It waits for a line that is being written, but not longer than limit.
func (q *logQueue) close(limit time.Duration) {
	close(q.quit)

	end := time.NewTimer(limit)
	defer end.Stop()

	select {
	case <-q.done:
	case <-end.C:
	}
}
