package control_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"importerd/internal/job"

	"github.com/rs/zerolog"
)

// hurried is a rig whose patience is short.
func hurried(t *testing.T) *rig {
	t.Helper()

	r := prepare(t)
	r.options.Stall = 300 * time.Millisecond
	r.options.Log = zerolog.New(&r.log).Level(zerolog.DebugLevel)

	return r
}

func TestSlowHeader(t *testing.T) {
	t.Parallel()

	r := hurried(t).unix()

	for _, part := range []string{"", "GET", "GET /v1/spools HTTP/1.1\r\nHost: localhost\r\nX: "} {
		s := r.socket()
		must(t, s.send(part))

		if status, _ := s.answer(); status != 0 && status != http.StatusBadRequest {
			t.Errorf("%q is answered %d", part, status)
		}
	}

	// One that comes on and on gains nothing by it.
	s := r.socket()
	tick := time.NewTicker(20 * time.Millisecond)

	defer tick.Stop()

	began := time.Now()

	for err := s.send("GET /v1/spools HTTP/1.1\r\nHost: localhost\r\n"); err == nil; <-tick.C {
		if err = s.send("X: y\r\n"); time.Since(began) > 20*time.Second {
			t.Fatal("a slow header is waited for")
		}
	}
}

func TestHugeHeader(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	for _, text := range []string{
		"GET /v1/spools HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 64<<10),
		"GET /" + strings.Repeat("x", 64<<10),
		"GET /v1/spools HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X: y\r\n", 10<<10),
	} {
		s := r.socket()
		_ = s.send(text) // it may be cut off before it has sent all

		if status, _ := s.answer(); status != http.StatusRequestHeaderFieldsTooLarge && status != 0 {
			t.Errorf("%.20s: %d", text, status)
		}
	}

	r.get("/v1/spools").want(t, http.StatusOK, "")
}

// kept checks that uploads left nothing.
func (r *rig) nothingKept() {
	r.t.Helper()

	until(r.t, "all drafts closed", func() bool { return r.spools[0].drafts.Load() == 0 })

	if n := r.spools[0].count(); n != 0 {
		r.t.Errorf("%d jobs", n)
	}
}

const upload = "POST /v1/spools/orders/files?name=a HTTP/1.1\r\nHost: localhost\r\n"

func TestSlowBody(t *testing.T) {
	t.Parallel()

	r := hurried(t).unix()

	// One that stops, in a body and before one that nobody wants.
	for _, request := range []string{
		upload, "POST /v1/spools/orders/pause HTTP/1.1\r\nHost: localhost\r\n",
		"POST /v1/jobs/retry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n",
	} {
		s := r.socket()
		must(t, s.send(request+"Content-Length: 1000\r\n\r\n"))

		if status, _ := s.answer(); status != http.StatusBadRequest {
			t.Errorf("%.40s: %d", request, status)
		}
	}

	s := r.socket()
	must(t, s.send("GET /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"))

	if status, _ := s.answer(); status != http.StatusNotFound {
		t.Errorf("none: %d", status)
	}

	// One that sends a byte now and then.
	s = r.socket()
	tick := time.NewTicker(50 * time.Millisecond) // a third of what is asked for

	defer tick.Stop()

	began := time.Now()

	for err := s.send(upload + "Content-Length: 100000\r\n\r\n"); err == nil; <-tick.C {
		if err = s.send("x"); time.Since(began) > 20*time.Second {
			t.Fatal("a slow body is waited for")
		}
	}

	r.nothingKept()
}

// A body that comes steadily may take much longer than one read.
func TestLongBody(t *testing.T) {
	t.Parallel()

	r := hurried(t)
	r.options.Stall = 3 * time.Second // much longer than a pause between two pieces, on any machine
	r = r.unix()
	s := r.socket()
	tick := time.NewTicker(200 * time.Millisecond)

	defer tick.Stop()

	must(t, s.send(upload+"Content-Length: 1800\r\n\r\n"))

	for range 18 {
		<-tick.C
		must(t, s.send(strings.Repeat("x", 100)))
	}

	if status, text := s.answer(); status != http.StatusCreated {
		t.Errorf("%d %s", status, text)
	}
}

// An answer that is long in coming is waited for: the patience is for bodies.
func TestLongWait(t *testing.T) {
	t.Parallel()

	r := hurried(t).unix()
	began := time.Now()

	r.post("/start?wait=1s", "body").want(t, http.StatusAccepted, "")

	if took := time.Since(began); took < time.Second {
		t.Errorf("it waited %v", took)
	}
}

func TestCutBody(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	for _, rest := range []string{
		"Content-Length: 100\r\n\r\n" + strings.Repeat("x", 99),
		"Content-Length: 1\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello",
		"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
		"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100\r\n\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nxxx",
	} {
		s := r.socket()
		must(t, s.send(upload+rest))
		must(t, s.Conn.(*net.UnixConn).CloseWrite()) //nolint:forcetypeassert // made so

		if status, _ := s.answer(); status != http.StatusBadRequest && status != 0 {
			t.Errorf("%q: %d", rest, status)
		}

		s = r.socket()
		must(t, s.send(upload+rest))
		must(t, s.Close())
	}

	r.nothingKept()

	for _, rest := range []string{"Content-Length: -1\r\n\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"} {
		if status := r.raw(upload + rest); status != http.StatusBadRequest {
			t.Errorf("%q: %d", rest, status)
		}
	}

	r.nothingKept()
}

func TestEndlessBody(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	r.options.MaxUpload = 1 << 20
	r.unix()

	for _, request := range []string{
		upload,
		upload + "Content-Type: multipart/form-data; boundary=b\r\n",
		"POST /v1/jobs/retry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n",
	} {
		s := r.socket()
		must(t, s.send(request+"Transfer-Encoding: chunked\r\n\r\n"))

		sent, chunk := 0, strings.Repeat("x", 64<<10)
		for err := error(nil); err == nil && sent < 64<<20; sent += len(chunk) {
			err = s.send(fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk))
		}

		if sent >= 64<<20 {
			t.Errorf("%.40s: 64 MiB are taken", request)
		}

		switch status, _ := s.answer(); status {
		case http.StatusRequestEntityTooLarge, http.StatusBadRequest, 0:
		default:
			t.Errorf("%.40s: %d", request, status)
		}
	}

	r.nothingKept()
}

// Who does not read his answer holds nothing.
func TestSlowReader(t *testing.T) {
	t.Parallel()

	r := hurried(t).unix()
	rec := r.spools[0].put(job.Record{State: job.Processing})
	must(t, r.spools[0].logOf(t, rec.ID).Truncate(100<<20))

	for _, query := range []string{"", "?follow=true"} {
		s := r.socket()
		must(t, s.send("GET /v1/jobs/"+rec.ID.String()+"/log"+query+" HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	}

	until(t, "both cut off", func() bool { return strings.Count(r.log.String(), `"bytes"`) == 2 })
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	r.options.MaxConns = 2
	r.unix()

	first, second := r.socket(), r.socket()
	ask := "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

	for _, s := range []socket{first, second} {
		must(t, s.send(ask))

		if status, _ := s.answer(); status != http.StatusOK {
			t.Fatal(status)
		}
	}

	third := r.socket()
	must(t, third.send(ask))
	must(t, third.SetReadDeadline(time.Now().Add(100*time.Millisecond)))

	if _, err := third.reader.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a third one is answered: %v", err)
	}

	must(t, first.Close())

	third.reader.Reset(third.Conn)
	must(t, third.SetReadDeadline(time.Now().Add(30*time.Second)))

	if status, _ := third.answer(); status != http.StatusOK {
		t.Errorf("%d when one has gone", status)
	}
}

// Who was refused and neither sends the rest nor goes holds up no end.
func TestRefusedBodyDoesNotHoldTheEnd(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	r.draining.Store(true)

	s := r.socket()
	must(t, s.send(upload+"Content-Length: 1000\r\n\r\nx"))

	if status, text := s.answer(); status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", status, text)
	}

	r.stop()

	err := <-r.ended
	must(t, err)

	r.ended <- nil

	if strings.Contains(r.log.String(), "cut off") {
		t.Errorf("it was waited for: %s", r.log.String())
	}
}
