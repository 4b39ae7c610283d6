package control_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"importerd/internal/control"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// names returns the jobs' names.
func names(jobs []wire.Job) []string {
	list := []string{}
	for _, j := range jobs {
		list = append(list, j.Name)
	}

	return list
}

func (r *rig) list(query string) wire.Jobs {
	r.t.Helper()

	return read[wire.Jobs](r.t, r.get("/v1/jobs"+query).want(r.t, http.StatusOK, ""))
}

func TestListJobs(t *testing.T) {
	t.Parallel()

	r := prepare(t, "orders", "clicks").unix()
	orders, clicks := r.spools[0], r.spools[1]
	now := time.Now()

	put := func(d *double, name string, state job.State, age time.Duration, wish job.Wish) {
		rec := job.Record{Name: name, State: state, CreatedAt: now.Add(-age), Wish: wish}
		if state.Ended() {
			rec.FinishedAt = rec.CreatedAt
		}

		d.put(rec)
	}

	put(orders, "a.csv", job.Done, 5*time.Hour, "")
	put(clicks, "b.csv", job.Failed, 4*time.Hour, "")
	put(orders, "c.txt", job.Terminated, 3*time.Hour, "")
	put(clicks, "d.csv", job.Processing, 2*time.Hour, "")
	put(clicks, "frozen", job.Processing, time.Hour, job.WishPause)
	put(orders, "paused", job.Paused, 30*time.Minute, "")
	put(orders, "a.csv", job.Deferred, time.Minute, "")

	all := "a.csv paused frozen d.csv c.txt b.csv a.csv"

	for query, want := range map[string]string{
		"":                             all,
		"?spool=&state=&limit=&after=": all,
		"?spool=clicks":                "frozen d.csv b.csv",
		"?state=done":                  "a.csv",
		"?state=terminated":            "c.txt",
		"?state=processing":            "d.csv",
		"?state=paused":                "paused frozen",
		"?state=committing":            "",
		"?name=a.csv":                  "a.csv a.csv",
		"?match=*.csv":                 "a.csv d.csv b.csv a.csv",
		"?match={c,d}.*&spool=orders":  "c.txt",
		"?since=2h30m":                 "a.csv paused frozen d.csv",
		"?since=1d&state=failed":       "b.csv",
		"?limit=2":                     "a.csv paused",
	} {
		page := r.list(query)
		if got := strings.Join(names(page.Jobs), " "); got != want {
			t.Errorf("%s: %s, not %s", query, got, want)
		}

		if more := page.After != ""; more != (query == "?limit=2") {
			t.Errorf("%s: after is %q", query, page.After)
		}
	}

	if p := r.list("?name=d.csv").Jobs[0].Progress; p == nil || *p != 0.5 {
		t.Errorf("the progress is %v", p)
	}
}

func TestListJobsRefuses(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()

	for range 3 {
		r.spools[0].put(job.Record{State: job.Done})
	}

	after := r.list("?limit=1").After

	for query, says := range map[string]string{
		"limit=0": "1 to 1000", "limit=1001": "1 to 1000", "limit=x": "1 to 1000",
		"state=finished": "deferred, processing, committing, paused, done, failed, terminated",
		"since=3":        "90s", "since=-1h": "positive", "match=[": "*.csv",
		"after=x": "cursor", "after=e30": "cursor", "stat=done": "state", "state=done&state=failed": "once",
		"state=done&after=" + after: "another question", "%zz": "malformed", "state=%zz": "malformed",
		"after=" + base64.RawURLEncoding.EncodeToString([]byte(`{"m":[{"s":"orders","b":0}]}`)): "cursor",
	} {
		a := r.get("/v1/jobs?"+query).want(t, http.StatusBadRequest, wire.CodeBadRequest)
		if e := read[wire.Error](t, a); !strings.Contains(e.Error.Message, says) {
			t.Errorf("%s: it does not say %q: %s", query, says, e.Error.Message)
		}
	}

	r.get("/v1/jobs?spool=none").want(t, http.StatusNotFound, wire.CodeNotFound)
}

// Pages neither repeat nor miss a job while others are added, on any number of spools.
func TestPagesAreStable(t *testing.T) {
	t.Parallel()

	r := prepare(t, "a", "b", "c").unix()
	began := time.Now().Add(-time.Hour)

	var want []string

	for i := range 500 { // more than is read at a time
		name := fmt.Sprint(i)
		// c has the newest ones only: its turn is over on the first page.
		d := r.spools[min(i%2+i/490*2, 2)]
		d.put(job.Record{Name: name, State: job.Done, CreatedAt: began.Add(time.Duration(i/3) * time.Second)})
		want = append(want, name)
	}

	for _, limit := range []int{3, 7, 100, 1000} {
		var got []string

		for after := ""; ; {
			page := r.list(fmt.Sprintf("?limit=%d&after=%s", limit, after))
			got = append(got, names(page.Jobs)...)

			if limit == 7 {
				for _, d := range r.spools {
					d.put(job.Record{Name: "new", State: job.Done})
				}
			}

			if after = page.After; after == "" {
				break
			}
		}

		got = slices.DeleteFunc(got, func(name string) bool { return limit > 7 && name == "new" })
		slices.Sort(got)

		sorted := slices.Sorted(slices.Values(want))
		if !slices.Equal(got, sorted) {
			t.Errorf("limit %d: %d jobs, not %d", limit, len(got), len(sorted))
		}
	}
}

// The list goes on where it was although a spool was added, and what is wanted of the last
// two hours is still that of the first page.
func TestPagesAcrossReload(t *testing.T) {
	t.Parallel()

	r := prepare(t, "a", "b")
	spools := r.options.Spools()
	shown := spools[:1]
	r.options.Spools = func() []*control.Spool { return shown }
	r.unix()

	for i := range 4 {
		r.spools[0].put(job.Record{Name: fmt.Sprint(i), State: job.Failed})
		r.spools[1].put(job.Record{Name: "other", State: job.Failed})
	}

	page := r.list("?limit=2&since=2h&state=failed")
	shown = spools

	page = r.list("?limit=3&since=2h&state=failed&after=" + page.After)
	if got := names(page.Jobs); !slices.Equal(got, []string{"1", "0"}) || page.After != "" {
		t.Errorf("%v, %q", got, page.After)
	}
}

func TestListWithDegradedSpool(t *testing.T) {
	t.Parallel()

	r := prepare(t, "a", "b").unix()
	for range 3 {
		r.spools[0].put(job.Record{State: job.Paused})
		r.spools[1].put(job.Record{State: job.Paused})
	}

	r.spools[1].fail(job.ErrDegraded)

	for _, query := range []string{"?limit=2", "?limit=2&state=paused"} {
		page := r.list(query)
		if !slices.Equal(page.Missing, []string{"b"}) || len(page.Jobs) != 2 {
			t.Errorf("%+v", page)
		}

		page = r.list(query + "&after=" + page.After)
		if !slices.Equal(page.Missing, []string{"b"}) || len(page.Jobs) != 1 || page.After != "" {
			t.Errorf("%+v", page)
		}
	}

	r.get("/v1/jobs?spool=b").want(t, http.StatusServiceUnavailable, wire.CodeDegraded)
}

func TestGetJob(t *testing.T) {
	t.Parallel()

	r := prepare(t, "orders", "clicks").unix()
	rec := r.spools[1].put(job.Record{
		Name: "bad\xff", State: job.Failed, Error: "no",
		Exit: &job.Exit{Code: 3, Took: 1500 * time.Millisecond, Tail: []byte("it says <this>\n")},
	})
	path := "/v1/jobs/" + rec.ID.String()

	j := read[wire.Job](t, r.get(path).want(t, http.StatusOK, ""))
	if j.Output != "it says <this>\n" || *j.ExitCode != 3 || j.Took != 1.5 || j.NameB64 == "" || j.Spool != "clicks" {
		t.Errorf("%+v", j)
	}

	if jobs := r.list("").Jobs; jobs[0].Output != "" {
		t.Error("the list has output")
	}

	a := r.get("/v1/jobs/"+job.NewID().String()).want(t, http.StatusNotFound, wire.CodeNotFound)
	if !strings.Contains(a.text, "kept") {
		t.Errorf("no hint: %s", a.text)
	}

	for _, id := range []string{"x", "%2e%2e", "..%2F..%2Fetc%2Fpasswd", url.PathEscape("\x00")} {
		r.get("/v1/jobs/"+id).want(t, http.StatusNotFound, wire.CodeNotFound)
	}

	// Where it might be cannot be asked now.
	r.spools[0].fail(job.ErrDegraded)
	r.get("/v1/jobs/"+job.NewID().String()).want(t, http.StatusServiceUnavailable, wire.CodeDegraded)
	r.get(path).want(t, http.StatusOK, "")
}

func TestSteerJob(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	rec := r.spools[0].put(job.Record{Name: "a", State: job.Deferred})
	path := "/v1/jobs/" + rec.ID.String() + "/"

	for _, step := range []struct {
		verb   string
		status int
		state  job.State
	}{
		{"pause", http.StatusOK, job.Paused},
		{"pause", http.StatusOK, job.Paused},
		{"resume", http.StatusOK, job.Deferred},
		{"terminate", http.StatusOK, job.Terminated},
		{"terminate", http.StatusOK, job.Terminated},
		{"pause", http.StatusConflict, job.Terminated},
		{"retry", http.StatusOK, job.Deferred},
	} {
		a := r.post(path+step.verb, "")
		if a.StatusCode != http.StatusConflict {
			if j := read[wire.Job](t, a.want(t, step.status, "")); j.State != step.state || j.ID != rec.ID {
				t.Errorf("%s: %+v", step.verb, j)
			}

			continue
		}

		if e := read[wire.Error](t, a.want(t, step.status, wire.CodeConflict)); *e.ID != rec.ID || e.State != step.state {
			t.Errorf("%s: %+v", step.verb, e)
		}
	}

	// A terminate that takes its time.
	rec = r.spools[0].put(job.Record{Name: "b", State: job.Processing})
	r.post("/v1/jobs/"+rec.ID.String()+"/terminate", "").want(t, http.StatusAccepted, "")

	r.post(path+"pause", `{"x":1}`).want(t, http.StatusBadRequest, wire.CodeBadRequest)
	r.post(path+"pause?wait=1s", "").want(t, http.StatusBadRequest, wire.CodeBadRequest)
	r.post("/v1/jobs/"+job.NewID().String()+"/pause", "").want(t, http.StatusNotFound, wire.CodeNotFound)
	r.get(path+"pause").want(t, http.StatusMethodNotAllowed, wire.CodeMethod)
}
