package control_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

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

	if where := a.Header.Get("Location"); j.Name != "start-"+j.ID.String() || j.Origin != job.Triggered ||
		where != "/v1/jobs/"+j.ID.String() {
		t.Errorf("%+v, %v", j, a.Header)
	}

	a = r.post("/v1/spools/orders/start", "x").want(t, http.StatusServiceUnavailable, wire.CodeBusy)
	if e := read[wire.Error](t, a); e.ID == nil || *e.ID != j.ID || e.State != job.Deferred ||
		a.Header.Get("Retry-After") != "1" {
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

	a = r.post("/start", "").want(t, http.StatusServiceUnavailable, wire.CodePaused)
	if a.Header.Get("Retry-After") == "" {
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

// Who has sent all of it need not wait for the answer.
func TestSenderGoesAway(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	sent := make(chan struct{}) // closed when all has come; nobody sends
	r.spools[0].drafted = func(ctx context.Context) {
		close(sent)
		<-ctx.Done()
	}
	r.unix()

	s := r.socket()
	must(t, s.send(upload+"Content-Length: 5\r\n\r\nwhole"))
	<-sent
	must(t, s.Close())
	until(t, "a job", func() bool { return r.spools[0].count() == 1 })
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
