package guard

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// slowest is how many bytes a second a body has on average, after a while: who
	// sends one now and then does not keep a connection for ever.
	slowest = 64

	// enough is what a body can earn at most: years.
	enough = 100_000 * time.Hour

	// lingering is how long a client may go on to send when it has its answer.
	lingering = time.Second

	// piece is how much of an answer must go out within the time for one write, in bytes.
	piece = 64 << 10
)

// pace returns answer and request with times of their own for each write and each read
// of the body. The time-out for the header does not cover the body, and one for the
// whole would end long uploads.
func (g *Guard) pace(w http.ResponseWriter, r *http.Request) (*answer, *http.Request) {
	a := &answer{ResponseWriter: w, control: http.NewResponseController(w), stall: g.stall}

	if r.Body == nil || r.Body == http.NoBody {
		return a, r
	}

	b := &body{ReadCloser: r.Body, control: a.control, stall: g.stall, began: time.Now()}
	b.renew() // the server reads what no handler does
	a.to = b

	// In a copy: the server looks at the body's type in the original.
	copied := r.WithContext(r.Context())
	copied.Body = b

	return a, copied
}

// body is a request's body that must make progress.
type body struct {
	io.ReadCloser

	control *http.ResponseController
	stall   time.Duration
	began   time.Time
	got     int64 // bytes so far

	mu   sync.Mutex
	over bool // guarded by mu; read to its end
	cut  bool // guarded by mu; Cut was called
}

// Read reads, in bounded time. After the end net/http itself takes the bound away: what
// the handler then does may last.
func (b *body) Read(p []byte) (int, error) {
	b.renew()

	n, err := b.ReadCloser.Read(p)
	b.got += int64(n)

	if errors.Is(err, io.EOF) {
		b.mu.Lock()
		b.over = true
		b.mu.Unlock()
	}

	return n, err
}

// Cut makes a read that waits for bytes, and all that follow, fail at once, unless all
// was read. It may be called from any goroutine.
func (b *body) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.cut = true; !b.over {
		_ = b.control.SetReadDeadline(time.Unix(1, 0)) // as in renew
	}
}

// answered bounds how long the server reads on by itself what no handler wanted: it does so
// for a client that sends first and then reads, and one that does neither must not keep us.
func (b *body) answered() {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.cut = true; !b.over {
		_ = b.control.SetReadDeadline(time.Now().Add(min(b.stall, lingering))) // as in renew
	}
}

// isOver says whether it was read to its end.
func (b *body) isOver() bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.over
}

// renew sets the time until which the next bytes must be there.
func (b *body) renew() {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.cut {
		return // its time is over
	}

	// Connections that know no deadlines are those of tests.
	_ = b.control.SetReadDeadline(due(time.Now(), b.began, b.got, b.stall))
}

// due returns until when the next bytes of a body must be there that began then
// and of which got have come.
func due(now, began time.Time, got int64, stall time.Duration) time.Time {
	until := now.Add(stall)
	earned := time.Duration(min(got/slowest, int64(enough/time.Second))) * time.Second

	if least := began.Add(2*stall + earned); least.Before(until) {
		return least
	}

	return until
}

// answer is a response that its reader must take, and that remembers what it was.
type answer struct {
	http.ResponseWriter

	control *http.ResponseController
	stall   time.Duration
	to      *body // nil: the request has none
	status  int   // zero: not told yet
	bytes   int64
}

// Unwrap lets http.ResponseController reach what this does not have.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader remembers the status. What was not read of the body is not waited for:
// the connection ends with the answer.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status

		if a.to != nil && !a.to.isOver() {
			a.Header().Set("Connection", "close")
		}
	}

	a.renew()
	a.ResponseWriter.WriteHeader(status)
}

// Write writes, each piece in bounded time.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}

	written := 0

	for {
		a.renew()

		n, err := a.ResponseWriter.Write(p[:min(piece, len(p))])
		written += n
		a.bytes += int64(n)
		p = p[n:]

		if err != nil || len(p) == 0 {
			return written, err //nolint:wrapcheck // handed on
		}
	}
}

// FlushError sends what was written, in bounded time.
func (a *answer) FlushError() error {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}

	a.renew()

	return a.control.Flush() //nolint:wrapcheck // handed on
}

// Flush is FlushError for those who do not ask.
func (a *answer) Flush() { _ = a.FlushError() }

// renew sets the time until which the next piece must be taken.
func (a *answer) renew() {
	_ = a.control.SetWriteDeadline(time.Now().Add(a.stall)) // as for bodies
}
