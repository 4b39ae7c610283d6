package control_test

import (
	"net/http"
	"strings"
	"testing"

	"importerd/internal/control"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// However many clients send files and follow logs, short requests are answered; those for
// whom there is no place are told so.
func TestLastingRequestsLeavePlaces(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	rec := r.spools[0].put(job.Record{State: job.Processing})
	r.spools[0].logOf(t, rec.ID)

	follow := "/v1/jobs/" + rec.ID.String() + "/log?follow=true"

	for request, places := range map[string]int{
		upload + "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n": 256,
		"GET " + follow + " HTTP/1.1\r\nHost: localhost\r\n\r\n":      128,
	} {
		in := 0

		for range 300 {
			s := r.socket()
			must(t, s.send(request))

			line, err := s.reader.ReadString('\n') // no more of an answer that lasts
			must(t, err)

			if !strings.Contains(line, " 429 ") {
				in++
			}
		}

		if in != places {
			t.Errorf("%.30s: %d are let in, not %d", request, in, places)
		}
	}

	r.get("/healthz").want(t, http.StatusOK, "")
	r.get("/v1/spools").want(t, http.StatusOK, "")

	if got := r.get(follow).want(t, http.StatusTooManyRequests, wire.CodeTooMany).Header.Get("Retry-After"); got == "" {
		t.Error("it is not said when to come again")
	}
}

// Matching that would take very long is refused.
func TestCostlyPatterns(t *testing.T) {
	t.Parallel()

	r := prepare(t).unix()
	r.spools[0].put(job.Record{State: job.Failed, Name: strings.Repeat("a", 200)})

	costly := strings.Repeat("{a,a}", 40) + "b"

	r.get("/v1/jobs?match="+costly).want(t, http.StatusBadRequest, wire.CodeBadRequest)
	r.post("/v1/jobs/retry", `{"spool":"orders","match":"`+costly+`"}`, jsonBody).
		want(t, http.StatusBadRequest, wire.CodeBadRequest)
}

// patient is a history that matches names as long as it may.
type patient struct {
	control.History
	began, ended chan struct{} // List closes them
}

func (p patient) List(q control.Query) ([]control.Entry, error) {
	close(p.began)
	defer close(p.ended)

	for q.Match("a.csv") {
		continue
	}

	return nil, nil
}

// Who goes away ends the search that was made for him.
func TestSearchEndsWithItsClient(t *testing.T) {
	t.Parallel()

	r := prepare(t)
	sp := r.spools[0].spool()
	p := patient{sp.History, make(chan struct{}), make(chan struct{})}
	sp.History = p
	r.options.Spools = func() []*control.Spool { return []*control.Spool{sp} }
	r.unix()

	s := r.socket()
	must(t, s.send("GET /v1/jobs?match=*.csv HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	<-p.began
	must(t, s.Close())
	<-p.ended
}
