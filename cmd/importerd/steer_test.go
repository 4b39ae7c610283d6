package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// A daemon answers for many jobs in parts; all of them are told.
func TestBulkInParts(t *testing.T) {
	t.Parallel()

	d := newDouble(t)
	ids := []job.ID{job.NewID(), job.NewID(), job.NewID()}
	answers := map[string]wire.BulkAnswer{
		"": {Jobs: []wire.Job{{ID: ids[0], Name: "a", State: job.Deferred}}, After: "1"},
		"1": {Refused: []wire.Error{{
			Error: wire.Fault{Code: wire.CodeConflict, Message: "its file is gone"}, ID: &ids[1],
		}}, After: "2"},
		"2": {Jobs: []wire.Job{{ID: ids[2], Name: `b\xff`, NameB64: "Yv8=", State: job.Deferred}}},
	}

	d.mux.HandleFunc("POST "+wire.PathBulkRetry, func(w http.ResponseWriter, r *http.Request) {
		var b wire.Bulk
		err := json.NewDecoder(r.Body).Decode(&b)
		d.answer(w, http.StatusOK, answers[b.After])

		if b.After = ""; err != nil || b != (wire.Bulk{Spool: "orders", Since: "48h0m0s", Match: "*"}) {
			t.Errorf("asked for %+v, %v", b, err)
		}
	})

	want := fmt.Sprintf("%s  a  deferred\n%s  b\\xff  deferred\n", ids[0], ids[2])
	d.call("", "retry", "--spool", "orders", "--since", "2d", "--match", "*").
		want(t, codeNotSo, want, "importerd: its file is gone\n")

	r := d.call("", "retry", "--spool", "orders", "--since", "2d", "--match", "*", "--output", "json")

	var got wire.BulkAnswer

	err := json.Unmarshal([]byte(r.stdout), &got)
	if err != nil || len(got.Jobs) != 2 || len(got.Refused) != 1 || got.After != "" {
		t.Errorf("%s: %v", r.stdout, err)
	}
}

// Each job of all pages is paused; that one has ended meanwhile is nothing to complain of.
func TestPauseAllPages(t *testing.T) {
	t.Parallel()

	d := newDouble(t)
	running, waiting, ended, full := job.NewID(), job.NewID(), job.NewID(), job.NewID()

	d.mux.HandleFunc("GET "+wire.PathJobs, func(w http.ResponseWriter, r *http.Request) {
		pages := map[string]wire.Jobs{
			"processing":  {Jobs: []wire.Job{{ID: running}, {ID: ended}}, After: "1"},
			"processing1": {Jobs: []wire.Job{{ID: full}}},
			"deferred":    {Jobs: []wire.Job{{ID: waiting}}},
		}

		if r.FormValue("spool") != "orders" || r.FormValue("since") != "1h0m0s" || r.FormValue("match") != "" {
			t.Errorf("asked for %s", r.URL.RawQuery)
		}

		d.answer(w, http.StatusOK, pages[r.FormValue("state")+r.FormValue("after")])
	})
	d.mux.HandleFunc("POST "+wire.PathVerb, func(w http.ResponseWriter, r *http.Request) {
		id, err := job.ParseID(r.PathValue("id"))
		if err != nil || r.PathValue("verb") != "pause" {
			t.Errorf("asked for %s", r.URL)
		}

		switch id {
		case ended:
			d.answer(w, http.StatusConflict, wire.Error{Error: wire.Fault{Code: wire.CodeConflict, Message: "is done"}})
		case full:
			d.answer(w, http.StatusInsufficientStorage, wire.Error{Error: wire.Fault{Code: wire.CodeDisk, Message: "is full"}})
		default:
			d.answer(w, http.StatusOK, wire.Job{ID: id, Name: "a", State: job.Paused})
		}
	})

	r := d.call("", "pause", "--spool", d.dir, "--since", "1h")
	r.want(t, codeUntrusted, fmt.Sprintf("%s  a  paused\n%s  a  paused\n", waiting, running), "importerd: is full\n")

	if strings.Contains(r.stderr, "is done") {
		t.Errorf("it says %s", r.stderr)
	}
}

// Short ids are looked up among all jobs that the daemon lists, and must mean one.
func TestShortIDs(t *testing.T) {
	t.Parallel()

	d := newDouble(t)
	one, two := job.NewID(), job.NewID() // they begin alike

	d.mux.HandleFunc("GET "+wire.PathJobs, func(w http.ResponseWriter, r *http.Request) {
		pages := map[string]wire.Jobs{
			"":  {Jobs: []wire.Job{{ID: one, Spool: "orders", Name: "a.csv", State: job.Failed}}, After: "1"},
			"1": {Jobs: []wire.Job{{ID: two, Spool: "books", Name: "b.csv", State: job.Done}}},
		}

		d.answer(w, http.StatusOK, pages[r.FormValue("after")])
	})
	d.mux.HandleFunc("POST "+wire.PathVerb, func(w http.ResponseWriter, r *http.Request) {
		d.answer(w, http.StatusOK, map[string]string{"id": r.PathValue("id"), "name": "a.csv", "state": "deferred"})
	})

	d.call("", "retry", strings.ToUpper(shortID(one))).want(t, codeOK, one.String()+"  a.csv  deferred\n", "")
	d.call("", "retry", one.String()[:8]).want(t, codeNotSo, "",
		"may be several jobs:\n"+
			fmt.Sprintf("importerd:   %s  orders  failed  a.csv\nimporterd:   %s  books  done  b.csv\n", one, two))
	d.call("", "retry", "00000000").want(t, codeNotSo, "", "importerd: no job 00000000\n")

	// One that cannot be found does not keep the others from it.
	d.call("", "retry", "00000000", one.String(), shortID(two), "--output", "json").
		want(t, codeNotSo, one.String(), "importerd: no job 00000000\n")
}
