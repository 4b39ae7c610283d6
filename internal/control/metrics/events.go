package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"importerd/internal/job"
)

// Bounds of the histograms in seconds: from what a shell takes to start to what
// a night's import takes.
var bounds = []float64{ //nolint:gochecknoglobals // a table that nobody writes to
	0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600,
}

// The values of the labels outcome and verdict.
var (
	outcomes = []job.State{job.Done, job.Failed, job.Terminated} //nolint:gochecknoglobals // as above
	verdicts = []job.Verdict{                                    //nolint:gochecknoglobals // as above
		job.Succeeded, job.Refused, job.Later, job.Rejected, job.Broken, job.Interrupted, job.Ended,
	}
)

// events are the counters of what happens.
type events struct {
	jobs          *prometheus.CounterVec
	attempts      *prometheus.CounterVec
	interruptions *prometheus.CounterVec
	bytes         *prometheus.CounterVec
	handler       *prometheus.HistogramVec
	delay         *prometheus.HistogramVec
}

func newEvents() *events {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"spool"}, labels...))
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(
			prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, []string{"spool"})
	}

	return &events{
		jobs: counter("importerd_jobs_total",
			"Jobs that have ended, by how: done, failed, terminated. One that is retried ends again.", "outcome"),
		attempts: counter("importerd_attempts_total",
			"Runs of the handler that have ended, by what that meant: succeeded, refused (an attempt used), "+
				"later (put off at the handler's wish), rejected (the file is bad), broken (the handler cannot work), "+
				"interrupted (by the daemon's stop), ended (by a person).", "verdict"),
		interruptions: counter("importerd_interruptions_total",
			"Runs of the handler that a stop of the daemon ended, or its death: those are counted at the next start."),
		bytes: counter("importerd_done_bytes_total",
			"Bytes of the files of done jobs."),
		handler: histogram("importerd_handler_seconds",
			"How long runs of the handler took, well ended or not."),
		delay: histogram("importerd_start_delay_seconds",
			"From the arrival of a file to the start of the first run on it. A dropped file arrives when it was last "+
				"changed (ctime), one of the API when it is accepted, one that is retried when that is wanted."),
	}
}

// all returns each of the counters.
func (e *events) all() []prometheus.Collector {
	return []prometheus.Collector{e.jobs, e.attempts, e.interruptions, e.bytes, e.handler, e.delay}
}

// Describe passes the call on to all.
func (e *events) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range e.all() {
		c.Describe(ch)
	}
}

// Collect passes the call on to all.
func (e *events) Collect(ch chan<- prometheus.Metric) {
	for _, c := range e.all() {
		c.Collect(ch)
	}
}

// spool makes all series of a spool.
func (e *events) spool(name string) *Spool {
	s := &Spool{
		jobs:          map[job.State]prometheus.Counter{},
		attempts:      map[job.Verdict]prometheus.Counter{},
		interruptions: e.interruptions.WithLabelValues(name),
		bytes:         e.bytes.WithLabelValues(name),
		handler:       e.handler.WithLabelValues(name),
		delay:         e.delay.WithLabelValues(name),
	}

	for _, outcome := range outcomes {
		s.jobs[outcome] = e.jobs.WithLabelValues(name, string(outcome))
	}

	for _, verdict := range verdicts {
		s.attempts[verdict] = e.attempts.WithLabelValues(name, string(verdict))
	}

	return s
}

// forget removes all series of a spool.
func (e *events) forget(name string) {
	labels := prometheus.Labels{"spool": name}

	e.jobs.DeletePartialMatch(labels)
	e.attempts.DeletePartialMatch(labels)
	e.interruptions.DeletePartialMatch(labels)
	e.bytes.DeletePartialMatch(labels)
	e.handler.DeletePartialMatch(labels)
	e.delay.DeletePartialMatch(labels)
}
