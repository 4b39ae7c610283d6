package control_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// form is a form's body and its header; each part is field, file name and content.
func form(t *testing.T, parts ...[3]string) (string, header) {
	t.Helper()

	var b bytes.Buffer

	w := multipart.NewWriter(&b)

	for _, part := range parts {
		says := fmt.Sprintf(`form-data; name="%s"`, part[0])
		if part[1] != "" {
			says += fmt.Sprintf(`; filename="%s"`, part[1])
		}

		p, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {says}})
		must(t, err)
		_, err = io.WriteString(p, part[2])
		must(t, err)
	}

	must(t, w.Close())

	return b.String(), header{"Content-Type", w.FormDataContentType()}
}

func TestPutFile(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	a := r.post("/v1/spools/orders/files?name=a+%C3%A4.csv", "1,2\n").want(t, http.StatusCreated, "")
	j := read[wire.Job](t, a)

	if j.Name != "a ä.csv" || j.Size != 4 || j.Origin != job.Uploaded || j.State != job.Deferred || j.Cursor != "c" {
		t.Errorf("%+v", j)
	}

	if got := r.spools[0].body(j.ID); got != "1,2\n" {
		t.Errorf("it has %q", got)
	}

	where := a.Header.Get("Location")
	if got := read[wire.Job](t, r.get(where).want(t, http.StatusOK, "")); got.ID != j.ID {
		t.Errorf("at %s is %+v", where, got)
	}

	if n := r.spools[0].drafts.Load(); n != 0 {
		t.Errorf("%d drafts are open", n)
	}

	// An empty file is one too, and what curl calls it does not matter.
	r.post("/v1/spools/orders/files?name=empty", "").want(t, http.StatusCreated, "")
	r.post("/v1/spools/orders/files?name=b", "a=b", header{"Content-Type", "application/x-www-form-urlencoded"}).
		want(t, http.StatusCreated, "")
	r.post("/v1/spools/none/files?name=b", "x").want(t, http.StatusNotFound, wire.CodeNotFound)
	r.post("/v1/spools/orders/files?name=b&nmae=c", "x").want(t, http.StatusBadRequest, wire.CodeBadRequest)
	r.post("/v1/spools/orders/files", "x").want(t, http.StatusBadRequest, wire.CodeBadRequest)
}

func TestPutForm(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	put := func(query string, parts ...[3]string) reply {
		t.Helper()
		body, kind := form(t, parts...)

		return r.post("/v1/spools/orders/files"+query, body, kind)
	}

	j := read[wire.Job](t, put("", [3]string{"file", "a.csv", "1,2\n"}).want(t, http.StatusCreated, ""))
	if j.Name != "a.csv" || r.spools[0].body(j.ID) != "1,2\n" {
		t.Errorf("%+v with %q", j, r.spools[0].body(j.ID))
	}

	// What the query says counts more.
	j = read[wire.Job](t, put("?name=b.csv", [3]string{"file", "../a.csv", ""}).want(t, http.StatusCreated, ""))
	if j.Name != "b.csv" {
		t.Errorf("%+v", j)
	}

	put("?name=c.csv", [3]string{"file", "", "x"}).want(t, http.StatusCreated, "")

	before := r.spools[0].count()

	for what, parts := range map[string][][3]string{
		"no parts":        {},
		"no name":         {{"file", "", "x"}},
		"another field":   {{"upload", "a.csv", "x"}},
		"a field before":  {{"comment", "", "x"}, {"file", "a.csv", "x"}},
		"a field behind":  {{"file", "a.csv", "x"}, {"comment", "", "x"}},
		"two files":       {{"file", "a.csv", "x"}, {"file", "b.csv", "x"}},
		"a thousand more": slicesRepeat([3]string{"file", "a.csv", "x"}, 1000),
	} {
		t.Log(what)
		put("", parts...).want(t, http.StatusBadRequest, wire.CodeBadRequest)
	}

	body, kind := form(t, [3]string{"file", "a.csv", "whole"})
	for _, cut := range []int{1, len(body) / 2, len(body) - 5} {
		r.post("/v1/spools/orders/files", body[:cut], kind).want(t, http.StatusBadRequest, wire.CodeBadRequest)
	}

	r.post("/v1/spools/orders/files", "x", header{"Content-Type", "multipart/form-data"}).
		want(t, http.StatusBadRequest, wire.CodeBadRequest)

	if n := r.spools[0].count(); n != before {
		t.Errorf("%d jobs were made of what was refused", n-before)
	}

	if n := r.spools[0].drafts.Load(); n != 0 {
		t.Errorf("%d drafts are open", n)
	}
}

func slicesRepeat[T any](v T, n int) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = v
	}

	return all
}

// No name leads out of a directory, or to a file that nothing would take.
func TestBadNames(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	for _, name := range []string{
		"../a", "a/b", "/etc/passwd", "..", ".", ".hidden", "a\x00b", "a\nb", "a\x1bb", "a\x7f", "a.tmp", "a.part", "a~",
		"a.crdownload", "\xff\xfe", strings.Repeat("a", 256), `..\a`, "",
	} {
		for _, verb := range []string{"files", "start"} {
			a := r.post("/v1/spools/orders/"+verb+"?name="+url.QueryEscape(name), "x").want(t, http.StatusBadRequest, wire.CodeBadName)
			if strings.ContainsAny(a.text, "\x00\x1b") {
				t.Errorf("%q is sent back: %q", name, a.text)
			}
		}

		if name == "" || strings.ContainsAny(name, "\x00\n\x1b\x7f\\") {
			continue // cannot be written so in a form
		}

		body, kind := form(t, [3]string{"file", name, "x"})
		r.post("/v1/spools/orders/files", body, kind).want(t, http.StatusBadRequest, wire.CodeBadName)
	}

	if r.spools[0].count() != 0 || r.spools[0].drafts.Load() != 0 {
		t.Error("something was kept")
	}

	r.post("/v1/spools/orders/files?name="+strings.Repeat("a", 255), "x").want(t, http.StatusCreated, "")
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()

	r := prepare(t, "orders", "clicks").unix()
	id := job.NewID()
	key := header{"Idempotency-Key", id.String()}

	for _, path := range []string{"/v1/spools/orders/files?name=a", "/v1/spools/orders/start"} {
		r.post(path, "one", header{"Idempotency-Key", "x"}).want(t, http.StatusBadRequest, wire.CodeBadRequest)
		r.post(path, "one", header{"Idempotency-Key", job.ID{}.String()}).want(t, http.StatusBadRequest, wire.CodeBadRequest)
	}

	j := read[wire.Job](t, r.post("/v1/spools/orders/files?name=a", "one", key).want(t, http.StatusCreated, ""))
	if j.ID != id {
		t.Errorf("the job is %s, not %s", j.ID, id)
	}

	a := r.post("/v1/spools/orders/files?name=b", "two", key).want(t, http.StatusOK, "")
	if j := read[wire.Job](t, a); j.ID != id || j.Name != "a" || a.Header.Get("Location") != "/v1/jobs/"+id.String() {
		t.Errorf("%+v at %s", j, a.Header.Get("Location"))
	}

	// Not even the form is looked at.
	r.post("/v1/spools/orders/files", "--x", key, header{"Content-Type", "multipart/form-data; boundary=x"}).
		want(t, http.StatusOK, "")

	// One id, one job, whatever the spool; and a spool that does not answer holds up no other.
	r.post("/v1/spools/clicks/files?name=a", "x", key).want(t, http.StatusConflict, wire.CodeConflict)
	r.spools[0].fail(job.ErrDegraded)
	r.post("/v1/spools/clicks/files?name=a", "x", header{"Idempotency-Key", job.NewID().String()}).
		want(t, http.StatusCreated, "")
	r.post("/v1/spools/orders/files?name=a", "x", key).want(t, http.StatusServiceUnavailable, wire.CodeDegraded)
	r.spools[0].fail(nil)

	r.draining.Store(true)
	r.post("/v1/spools/orders/files?name=a", "x", key).want(t, http.StatusOK, "")

	if n := r.spools[0].count(); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

// The same request at the same time, as a hurried client sends it.
func TestIdempotencyKeyAtOnce(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	key := header{"Idempotency-Key", job.NewID().String()}
	statuses := make(chan int, 20) // the goroutines send once each

	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { statuses <- r.post("/v1/spools/orders/files?name=a", "x", key).StatusCode })
	}

	all.Wait()
	close(statuses)

	created := 0

	for status := range statuses {
		switch status {
		case http.StatusCreated:
			created++
		case http.StatusOK:
		default:
			t.Errorf("answered %d", status)
		}
	}

	if created != 1 || r.spools[0].count() != 1 {
		t.Errorf("created %d times, %d jobs", created, r.spools[0].count())
	}
}

func TestStart(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	a := r.post("/start", "").want(t, http.StatusAccepted, "")
	j := read[wire.Job](t, a)

	if j.Name != "start-"+j.ID.String() || j.Origin != job.Triggered || a.Header.Get("Location") != "/v1/jobs/"+j.ID.String() {
		t.Errorf("%+v, %v", j, a.Header)
	}

	a = r.post("/v1/spools/orders/start", "x").want(t, http.StatusServiceUnavailable, wire.CodeBusy)
	if e := read[wire.Error](t, a); e.ID == nil || *e.ID != j.ID || e.State != job.Deferred || a.Header.Get("Retry-After") != "1" {
		t.Errorf("%+v, %v", e, a.Header)
	}

	r.spools[0].end(j.ID, job.Failed)

	j = read[wire.Job](t, r.post("/v1/spools/orders/start?name=now", "body").want(t, http.StatusAccepted, ""))
	if j.Name != "now" || r.spools[0].body(j.ID) != "body" {
		t.Errorf("%+v with %q", j, r.spools[0].body(j.ID))
	}

	r.spools[0].end(j.ID, job.Done)

	// A form as for a file, for those who know no other.
	body, kind := form(t, [3]string{"file", "a.csv", "x"})
	j = read[wire.Job](t, r.post("/start", body, kind).want(t, http.StatusAccepted, ""))

	if j.Name != "a.csv" {
		t.Errorf("%+v", j)
	}

	r.spools[0].end(j.ID, job.Done)
	r.post("/v1/spools/orders/pause", "").want(t, http.StatusOK, "")

	if a := r.post("/start", "").want(t, http.StatusServiceUnavailable, wire.CodePaused); a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}

	r.post("/v1/spools/orders/files?name=a", "x").want(t, http.StatusCreated, "")
	r.draining.Store(true)
	r.post("/start", "").want(t, http.StatusServiceUnavailable, wire.CodeDraining)
	r.post("/v1/spools/orders/files?name=b", "x").want(t, http.StatusServiceUnavailable, wire.CodeDraining)
	r.get("/v1/jobs").want(t, http.StatusOK, "")

	if n := r.spools[0].drafts.Load(); n != 0 {
		t.Errorf("%d drafts are open", n)
	}
}

func TestStartOfManySpools(t *testing.T) {
	t.Parallel()

	r := prepare(t, "orders", "clicks").unix()

	a := r.post("/start", "").want(t, http.StatusBadRequest, wire.CodeBadRequest)
	if !strings.Contains(a.text, "orders, clicks") {
		t.Error(a.text)
	}

	r.post("/v1/spools/clicks/start", "").want(t, http.StatusAccepted, "")
	r.post("/v1/spools/orders/start", "").want(t, http.StatusAccepted, "")
}

func TestTwentyStartsAtOnce(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	statuses := make(chan int, 20) // the goroutines send once each

	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { statuses <- r.post("/start", "x").StatusCode })
	}

	all.Wait()
	close(statuses)

	started := 0

	for status := range statuses {
		if status == http.StatusAccepted {
			started++
		} else if status != http.StatusServiceUnavailable {
			t.Errorf("answered %d", status)
		}
	}

	if started != 1 || r.spools[0].count() != 1 {
		t.Errorf("%d started, %d jobs", started, r.spools[0].count())
	}
}

func TestWait(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	d := r.spools[0]

	// In time.
	answers := make(chan reply) // the goroutine sends once

	go func() { answers <- r.post("/start?wait=1m", "") }()

	until(t, "accepted", func() bool { return d.count() == 1 })

	first := read[wire.Jobs](t, r.get("/v1/jobs")).Jobs[0]
	d.end(first.ID, job.Failed)

	if j := read[wire.Job](t, (<-answers).want(t, http.StatusOK, "")); j.ID != first.ID || j.State != job.Failed {
		t.Errorf("%+v", j)
	}

	// Too late.
	j := read[wire.Job](t, r.post("/start?wait=10ms", "").want(t, http.StatusAccepted, ""))
	if j.State != job.Deferred {
		t.Errorf("%+v", j)
	}

	a := r.post("/v1/spools/orders/files?name=a&wait=10ms", "x").want(t, http.StatusAccepted, "")
	if a.Header.Get("Location") == "" {
		t.Error("no Location")
	}

	// A repeat waits too.
	key := header{"Idempotency-Key", j.ID.String()}
	r.post("/start?wait=10ms", "", key).want(t, http.StatusAccepted, "")
	d.end(j.ID, job.Done)
	r.post("/start?wait=1m", "", key).want(t, http.StatusOK, "")

	for _, wait := range []string{"30", "-1s", "0s", "x", "5m1s", "1d"} {
		r.post("/start?wait="+wait, "").want(t, http.StatusBadRequest, wire.CodeBadRequest)
	}
}

func TestMaxUpload(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	r.options.MaxUpload = 1000
	r.unix()

	fits, over := strings.Repeat("x", 1000), strings.Repeat("x", 1001)
	r.post("/v1/spools/orders/files?name=a", fits).want(t, http.StatusCreated, "")
	r.post("/v1/spools/orders/files?name=a", over).want(t, http.StatusRequestEntityTooLarge, wire.CodeTooLarge)

	// Of unknown length.
	r.do(http.MethodPost, "/v1/spools/orders/files?name=a", io.MultiReader(strings.NewReader(over))).
		want(t, http.StatusRequestEntityTooLarge, wire.CodeTooLarge)
	r.do(http.MethodPost, "/v1/spools/orders/files?name=b", io.MultiReader(strings.NewReader(fits))).
		want(t, http.StatusCreated, "")

	body, kind := form(t, [3]string{"file", "c", fits})
	r.post("/v1/spools/orders/files", body, kind).want(t, http.StatusCreated, "")

	body, kind = form(t, [3]string{"file", "d", over})
	r.post("/v1/spools/orders/files", body, kind).want(t, http.StatusRequestEntityTooLarge, wire.CodeTooLarge)

	// Not the file is long, but what is around it.
	r.post("/v1/spools/orders/files", strings.Repeat("x", 2<<20), kind).
		want(t, http.StatusRequestEntityTooLarge, wire.CodeTooLarge)

	if r.spools[0].count() != 3 || r.spools[0].drafts.Load() != 0 {
		t.Errorf("%d jobs, %d drafts open", r.spools[0].count(), r.spools[0].drafts.Load())
	}
}

func TestDiskRefusesUpload(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	r.spools[0].broken.Store(true)

	a := r.post("/v1/spools/orders/files?name=a", "x").want(t, http.StatusInsufficientStorage, wire.CodeDisk)
	if strings.Contains(a.text, "secret") {
		t.Error(a.text)
	}

	r.spools[0].broken.Store(false)
	r.spools[0].fail(errors.New("odd"))
	r.post("/v1/spools/orders/files?name=a", "x").want(t, http.StatusInternalServerError, wire.CodeInternal)
}
