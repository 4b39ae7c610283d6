package control_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// logOf opens a job's log to add to it.
func (d *double) logOf(t *testing.T, id job.ID) *os.File {
	t.Helper()

	f, err := os.OpenFile(filepath.Join(d.logs, id.String()+".log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })

	return f
}

func add(t *testing.T, f *os.File, text string) {
	t.Helper()

	_, err := f.WriteString(text)
	must(t, err)
}

func TestLog(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	rec := r.spools[0].put(job.Record{State: job.Processing})
	path := "/v1/jobs/" + rec.ID.String() + "/log"

	if a := r.get(path).want(t, http.StatusOK, ""); a.text != "" {
		t.Errorf("a log that is not there: %q", a.text)
	}

	add(t, r.spools[0].logOf(t, rec.ID), "<b>one\xff\n")

	a := r.get(path).want(t, http.StatusOK, "")
	if a.text != "<b>one\xff\n" || a.Header.Get("Content-Type") != plain ||
		a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%q, %v", a.text, a.Header)
	}

	if a := r.do(http.MethodHead, path+"?follow=true", nil).want(t, http.StatusOK, ""); a.text != "" {
		t.Error("HEAD has a body")
	}

	r.get("/v1/jobs/"+job.NewID().String()+"/log").want(t, http.StatusNotFound, wire.CodeNotFound)
	r.get(path+"?follow=perhaps").want(t, http.StatusBadRequest, wire.CodeBadRequest)

	// A link in the place of a log leads nowhere.
	other := r.spools[0].put(job.Record{State: job.Done})
	must(t, os.Symlink("/etc/passwd", filepath.Join(r.spools[0].logs, other.ID.String()+".log")))
	r.get("/v1/jobs/"+other.ID.String()+"/log").want(t, http.StatusInternalServerError, wire.CodeInternal)
}

const plain = "text/plain; charset=utf-8"

// following follows a log.
func (r *rig) following(id job.ID) io.ReadCloser {
	r.t.Helper()

	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet,
		"http://localhost/v1/jobs/"+id.String()+"/log?follow=true", nil)
	must(r.t, err)

	answer, err := r.client.Do(req)
	must(r.t, err)
	r.t.Cleanup(func() { _ = answer.Body.Close() })

	return answer.Body
}

func TestFollowLog(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	d := r.spools[0]
	rec := d.put(job.Record{State: job.Processing})
	lines := bufio.NewScanner(r.following(rec.ID)) // before there is a log

	next := func(want string) {
		t.Helper()

		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, not %q: %v", lines.Text(), want, lines.Err())
		}
	}

	log := d.logOf(t, rec.ID)
	add(t, log, "one\n")
	next("one")
	add(t, log, "two\nthree\n")
	next("two")
	next("three")

	// Shortened for the next attempt, then longer again.
	must(t, log.Truncate(0))
	add(t, log, "a\n")
	next("a")
	d.set(rec.ID, func(rec *job.Record) { rec.State = job.Deferred })
	add(t, log, "b\n")
	next("b")

	add(t, log, "the last\n")
	d.end(rec.ID, job.Done)
	next("the last")

	if lines.Scan() {
		t.Errorf("and then %q", lines.Text())
	}
}

func TestFollowLogOfEndedJob(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	rec := r.spools[0].put(job.Record{State: job.Done})
	add(t, r.spools[0].logOf(t, rec.ID), "all\n")

	text, err := io.ReadAll(r.following(rec.ID))
	if err != nil || string(text) != "all\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// Who follows is told the end when the server ends.
func TestFollowLogUntilTheServerEnds(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	rec := r.spools[0].put(job.Record{State: job.Processing})
	add(t, r.spools[0].logOf(t, rec.ID), "one\n")

	lines := bufio.NewReader(r.following(rec.ID))
	if line, err := lines.ReadString('\n'); line != "one\n" {
		t.Fatal(line, err)
	}

	r.stop()

	if text, err := io.ReadAll(lines); err != nil || len(text) != 0 {
		t.Errorf("%q, %v", text, err)
	}

	must(t, <-r.ended)
	r.ended <- nil
}

// A long log does not go through memory. Not in parallel: it counts what all allocate.
func TestLongLog(t *testing.T) {
	const long = 300 << 20

	r := prepare(t).unix()
	rec := r.spools[0].put(job.Record{State: job.Done})
	log := r.spools[0].logOf(t, rec.ID)
	must(t, log.Truncate(long)) // takes no room
	add(t, log, "end")

	var before, after runtime.MemStats

	runtime.ReadMemStats(&before)

	body := r.following(rec.ID)
	end := make([]byte, 3)

	n, err := io.Copy(io.Discard, io.LimitReader(body, long))
	if err == nil {
		_, err = io.ReadFull(body, end)
	}

	runtime.ReadMemStats(&after)

	if n != long || string(end) != "end" || err != nil {
		t.Errorf("%d bytes and %q: %v", n, end, err)
	}

	if grown := after.TotalAlloc - before.TotalAlloc; grown > 50<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
}

func TestLogPathUnknown(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	spools := r.options.Spools()
	spools[0].LogPath = func(job.ID) string { return "" }
	r.unix()

	rec := r.spools[0].put(job.Record{State: job.Done})

	a := r.get("/v1/jobs/"+rec.ID.String()+"/log").want(t, http.StatusServiceUnavailable, wire.CodeDegraded)
	if strings.Contains(a.text, "/") {
		t.Error(a.text)
	}
}
