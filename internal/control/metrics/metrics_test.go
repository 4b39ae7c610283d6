package metrics_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"importerd/internal/control/metrics"
	"importerd/internal/control/wire"
	"importerd/internal/job"
)

// scrape asks over HTTP as Prometheus does.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()

	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, wire.PathMetrics, nil))

	text, err := io.ReadAll(recorder.Result().Body)
	if err != nil || recorder.Code != http.StatusOK {
		t.Fatalf("%d %v: %s", recorder.Code, err, text)
	}

	return string(text)
}

// want complains about lines that an answer lacks.
func want(t *testing.T, answer string, lines ...string) {
	t.Helper()

	for _, line := range lines {
		if !strings.Contains("\n"+answer, "\n"+line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
}

// fullMetrics has two spools, one with a value for everything.
func fullMetrics() *metrics.Metrics {
	now := time.Now()
	m := metrics.New(metrics.Options{
		Version: "v1.2.3",
		Spools: func() []wire.Spool {
			return []wire.Spool{{
				Name: "orders", Workers: 4, Paused: true, Draining: true, Degraded: "why", Broken: "why", Disk: "why",
				Waiting: 11, Settling: 3, Ignored: 5, Held: 7, OldestAt: now.Add(-90 * time.Second),
				Processes: 3, Unexpected: 12,
				Running: 2, Committing: 1, Deferred: 6, PausedJobs: 8, LongestAt: now.Add(-45 * time.Second),
				Jobs: wire.StateCount{Done: 100, Failed: 20, Terminated: 3}, LastErrorAt: time.Unix(1700000000, 5e8),
				DoneSize: 4096, Events: true, Sweeps: 9, EventsLost: 2, JournalSize: 8192,
			}, {Name: "clicks"}}
		},
	})
	m.Spool("orders")
	m.Spool("clicks")

	return m
}

func TestStanding(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := fullMetrics()

		time.Sleep(10 * time.Second) //nolint:forbidigo // the time of a bubble: ages grow

		want(t, scrape(t, m),
			`importerd_build_info{go="`+runtime.Version()+`",version="v1.2.3"} 1`,
			`importerd_waiting_files{spool="orders"} 11`,
			`importerd_settling_files{spool="orders"} 3`,
			`importerd_ignored_files{spool="orders"} 5`,
			`importerd_held_files{spool="orders"} 7`,
			`importerd_oldest_waiting_seconds{spool="orders"} 100`,
			`importerd_workers{spool="orders"} 4`,
			`importerd_worker_processes{spool="orders"} 3`,
			`importerd_worker_ends_total{spool="orders"} 12`,
			`importerd_running_jobs{spool="orders"} 2`,
			`importerd_longest_running_seconds{spool="orders"} 55`,
			`importerd_paused_jobs{spool="orders"} 8`,
			`importerd_deferred_jobs{spool="orders"} 6`,
			`importerd_committing_jobs{spool="orders"} 1`,
			`importerd_spool_degraded{spool="orders"} 1`,
			`importerd_spool_broken{spool="orders"} 1`,
			`importerd_spool_disk_refuses{spool="orders"} 1`,
			`importerd_spool_paused{spool="orders"} 1`,
			`importerd_spool_draining{spool="orders"} 1`,
			`importerd_spool_events{spool="orders"} 1`,
			`importerd_sweeps_total{spool="orders"} 9`,
			`importerd_events_lost_total{spool="orders"} 2`,
			`importerd_journal_done_jobs{spool="orders"} 100`,
			`importerd_journal_failed_jobs{spool="orders"} 23`,
			`importerd_journal_size_bytes{spool="orders"} 8192`,
			`importerd_last_error_timestamp_seconds{spool="orders"} 1.7000000005e+09`,
			`importerd_done_size_bytes{spool="orders"} 4096`,
			`importerd_oldest_waiting_seconds{spool="clicks"} 0`,
			`importerd_spool_broken{spool="clicks"} 0`,
		)
	})
}

// TestNoValueIsNoSeries: a time that is none must not be taken for 1970.
func TestNoValueIsNoSeries(t *testing.T) {
	t.Parallel()

	answer := scrape(t, fullMetrics())
	for _, name := range []string{"importerd_last_error_timestamp_seconds", "importerd_done_size_bytes"} {
		if strings.Contains(answer, name+`{spool="clicks"}`) {
			t.Errorf("there is %s of a spool that has none", name)
		}
	}
}

func TestCounting(t *testing.T) {
	t.Parallel()

	m := metrics.New(metrics.Options{Spools: func() []wire.Spool { return nil }})
	s := m.Spool("orders")

	// Before anything has happened all is there, and 0: else the first failure
	// would be one that no increase() sees.
	want(t, scrape(t, m),
		`importerd_jobs_total{outcome="done",spool="orders"} 0`,
		`importerd_jobs_total{outcome="failed",spool="orders"} 0`,
		`importerd_jobs_total{outcome="terminated",spool="orders"} 0`,
		`importerd_attempts_total{spool="orders",verdict="later"} 0`,
		`importerd_interruptions_total{spool="orders"} 0`,
		`importerd_done_bytes_total{spool="orders"} 0`,
		`importerd_handler_seconds_count{spool="orders"} 0`,
		`importerd_start_delay_seconds_count{spool="orders"} 0`,
	)

	began := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	rec := job.Record{Size: 1000, StartedAt: began, Exit: &job.Exit{Took: 20 * time.Second}}

	s.Started(rec, began.Add(-2*time.Second))
	s.Started(rec, began.Add(time.Millisecond)) // a coarse clock

	for _, verdict := range []job.Verdict{
		job.Succeeded, job.Refused, job.Refused, job.Later, job.Rejected, job.Broken, job.Interrupted, job.Ended, "", "odd",
	} {
		s.Attempted(rec, verdict)
	}

	s.Attempted(job.Record{}, job.Rejected)    // no handler was run
	s.Attempted(job.Record{}, job.Interrupted) // found at the start

	for _, state := range []job.State{job.Done, job.Done, job.Failed, job.Terminated, job.Deferred} {
		rec.State = state
		s.Ended(rec)
	}

	want(t, scrape(t, m),
		`importerd_jobs_total{outcome="done",spool="orders"} 2`,
		`importerd_jobs_total{outcome="failed",spool="orders"} 1`,
		`importerd_jobs_total{outcome="terminated",spool="orders"} 1`,
		`importerd_attempts_total{spool="orders",verdict="succeeded"} 1`,
		`importerd_attempts_total{spool="orders",verdict="refused"} 2`,
		`importerd_attempts_total{spool="orders",verdict="later"} 1`,
		`importerd_attempts_total{spool="orders",verdict="rejected"} 1`,
		`importerd_attempts_total{spool="orders",verdict="broken"} 1`,
		`importerd_attempts_total{spool="orders",verdict="interrupted"} 1`,
		`importerd_attempts_total{spool="orders",verdict="ended"} 1`,
		`importerd_interruptions_total{spool="orders"} 2`,
		`importerd_done_bytes_total{spool="orders"} 2000`,
		`importerd_handler_seconds_count{spool="orders"} 8`,
		`importerd_handler_seconds_sum{spool="orders"} 160`,
		`importerd_handler_seconds_bucket{spool="orders",le="15"} 0`,
		`importerd_handler_seconds_bucket{spool="orders",le="60"} 8`,
		`importerd_start_delay_seconds_count{spool="orders"} 2`,
		`importerd_start_delay_seconds_sum{spool="orders"} 2`,
	)
}

func TestForget(t *testing.T) {
	t.Parallel()

	m := metrics.New(metrics.Options{Spools: func() []wire.Spool { return nil }})
	gone, stays := m.Spool("gone"), m.Spool("stays")
	gone.Ended(job.Record{State: job.Done})
	stays.Ended(job.Record{State: job.Done})
	m.Forget("gone")
	gone.Ended(job.Record{State: job.Done}) // its last words harm nobody

	answer := scrape(t, m)
	want(t, answer, `importerd_jobs_total{outcome="done",spool="stays"} 1`)

	if strings.Contains(answer, `spool="gone"`) {
		t.Error("the spool that is gone is still there")
	}

	m.Spool("gone")
	want(t, scrape(t, m), `importerd_jobs_total{outcome="done",spool="gone"} 0`)
}

func TestReloaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01
		m := metrics.New(metrics.Options{Spools: func() []wire.Spool { return nil }})

		const successful, at = "importerd_config_last_reload_successful ",
			"importerd_config_last_reload_success_timestamp_seconds "

		want(t, scrape(t, m), successful+"1", at+"9.466848e+08")
		m.Reloaded(time.Now().Add(time.Hour), errors.New("bad"))
		want(t, scrape(t, m), successful+"0", at+"9.466848e+08")
		m.Reloaded(time.Now().Add(100*time.Second), nil)
		want(t, scrape(t, m), successful+"1", at+"9.466849e+08")
	})
}

// TestConventions: names, units and help are as Prometheus's own linter wants them.
func TestConventions(t *testing.T) {
	t.Parallel()

	problems, err := promlint.New(strings.NewReader(scrape(t, fullMetrics()))).Lint()
	if err != nil {
		t.Fatal(err)
	}

	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "importerd_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestScrapeWhileCounting is for the race detector.
func TestScrapeWhileCounting(t *testing.T) {
	t.Parallel()

	m := fullMetrics()

	var all sync.WaitGroup

	for range 4 {
		all.Go(func() {
			for range 50 {
				s := m.Spool("orders")
				s.Started(job.Record{}, time.Time{})
				s.Attempted(job.Record{Exit: &job.Exit{}}, job.Interrupted)
				s.Ended(job.Record{State: job.Done})
				m.Reloaded(time.Now(), nil)
				m.Forget("clicks")
			}
		})
	}

	for range 20 {
		scrape(t, m)
	}

	all.Wait()
	want(t, scrape(t, m), `importerd_jobs_total{outcome="done",spool="orders"} 200`)
}
