package control_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// bulk asks until there is nothing more, and returns the answers as one and how many there were.
func (r *rig) bulk(path string, ask wire.Bulk) (wire.BulkAnswer, int) {
	r.t.Helper()

	var all wire.BulkAnswer

	for n := 1; ; n++ {
		text, err := json.Marshal(ask)
		must(r.t, err)

		a := read[wire.BulkAnswer](r.t, r.post(path, string(text), jsonBody).want(r.t, http.StatusOK, ""))
		all.Jobs = append(all.Jobs, a.Jobs...)
		all.Refused = append(all.Refused, a.Refused...)

		if ask.After = a.After; ask.After == "" {
			return all, n
		}
	}
}

func TestBulkRetry(t *testing.T) {
	t.Parallel()

	r := prepare(t, "orders", "clicks").unix()
	d := r.spools[0]
	old := time.Now().Add(-3 * time.Hour)

	d.put(job.Record{Name: "old.csv", State: job.Failed, FinishedAt: old})
	d.put(job.Record{Name: "a.csv", State: job.Failed, FinishedAt: time.Now()})
	d.put(job.Record{Name: "b.txt", State: job.Failed, FinishedAt: time.Now()})
	d.put(job.Record{Name: "c.csv", State: job.Terminated, FinishedAt: time.Now()})
	gone := d.put(job.Record{Name: "d.csv", State: job.Failed, FinishedAt: time.Now(), Error: "gone"})
	d.put(job.Record{Name: "e.csv", State: job.Done, FinishedAt: time.Now()})
	r.spools[1].put(job.Record{Name: "f.csv", State: job.Failed, FinishedAt: time.Now()})

	a, _ := r.bulk("/v1/jobs/retry", wire.Bulk{Spool: "orders", Since: "2h", Match: "*.csv"})
	if got := names(a.Jobs); !slices.Equal(got, []string{"c.csv", "a.csv"}) || a.Jobs[0].State != job.Deferred {
		t.Errorf("%+v", a.Jobs)
	}

	if len(a.Refused) != 1 || *a.Refused[0].ID != gone.ID || a.Refused[0].Error.Code != wire.CodeConflict {
		t.Errorf("%+v", a.Refused)
	}

	a, _ = r.bulk("/v1/jobs/retry", wire.Bulk{Spool: "orders"})
	if got := names(a.Jobs); !slices.Equal(got, []string{"b.txt", "old.csv"}) {
		t.Errorf("%v", got)
	}

	a, _ = r.bulk("/v1/jobs/terminate", wire.Bulk{Spool: "orders"})
	if len(a.Jobs) != 4 || len(a.Refused) != 0 {
		t.Errorf("%v, %v", names(a.Jobs), a.Refused)
	}
}

// Thousands of jobs come in bounded answers, and one that is refused again and again
// holds up nothing.
func TestBulkOfThousands(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	for i := range 3300 {
		rec := job.Record{Name: fmt.Sprint(i), State: job.Failed}
		if i%3 == 0 {
			rec.Error = "gone"
		}

		r.spools[0].put(rec)
	}

	a, n := r.bulk("/v1/jobs/retry", wire.Bulk{Spool: "orders"})
	if len(a.Jobs) != 2200 || len(a.Refused) != 1100 || n != 4 {
		t.Errorf("%d jobs, %d refused, in %d answers", len(a.Jobs), len(a.Refused), n)
	}
}

func TestBulkRefuses(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	r.spools[0].put(job.Record{State: job.Failed})

	for body, says := range map[string]string{
		`{}`: "orders", `{"spool":""}`: "orders", `{"spool":"orders","sinse":"2h"}`: "sinse",
		`{"spool":"orders","since":"x"}`: "since", `{"spool":"orders","match":"["}`: "match",
		`{"spool":"orders","after":"x"}`: "after", `{"spool":"orders"}{}`: "follows", `{"spool":`: "EOF", `x`: "x",
		`{"spool":["orders"]}`: "spool", ``: "EOF", strings.Repeat("[", 100_000): "depth",
		strings.Repeat(`{"spool":`, 20_000): "depth",
	} {
		a := r.post("/v1/jobs/retry", body, jsonBody).want(t, http.StatusBadRequest, wire.CodeBadRequest)
		if !strings.Contains(a.text, says) {
			t.Errorf("%.40s: it does not say %q: %.200s", body, says, a.text)
		}
	}

	r.post("/v1/jobs/retry", `{"spool":"none"}`, jsonBody).want(t, http.StatusNotFound, wire.CodeNotFound)
	r.post("/v1/jobs/retry", `{"spool":"`+strings.Repeat("a", 1<<20)+`"}`, jsonBody).
		want(t, http.StatusRequestEntityTooLarge, wire.CodeTooLarge)

	// What a form of a foreign page could send.
	for _, kind := range []string{
		"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "",
	} {
		r.post("/v1/jobs/retry", `{"spool":"orders"}`, header{"Content-Type", kind}).
			want(t, http.StatusBadRequest, wire.CodeBadRequest)
	}

	r.spools[0].fail(job.ErrDegraded)
	r.post("/v1/jobs/retry", `{"spool":"orders"}`, jsonBody).want(t, http.StatusServiceUnavailable, wire.CodeDegraded)

	if got := r.spools[0].entries[0].State; got != job.Failed {
		t.Errorf("the job is %s", got)
	}
}
