// Package metrics shows how the spools stand and what they have done, in the
// format of Prometheus.
//
// What is so at a moment is asked of the spools when somebody scrapes. What
// happens is counted as it is told. The names of spools are the only labels whose
// values are not fixed, so the number of series is bounded by the configuration.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"importerd/internal/control/wire"
)

// scrapesAtOnce bounds how many are answered at a time: each asks all spools.
const scrapesAtOnce = 4

// Options are what a Metrics works with.
type Options struct {
	Spools  func() []wire.Spool // how all spools stand now, each name once; called at each scrape
	Version string              // of the daemon
}

// Metrics is what the daemon counts. Its methods may be called from several
// goroutines.
type Metrics struct {
	registry *prometheus.Registry
	events   *events
	reload   prometheus.Gauge // 1: the last one was successful
	reloadAt prometheus.Gauge // when the last successful one was
}

// New returns a Metrics that has counted nothing. The configuration counts as
// read now.
func New(o Options) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		events:   newEvents(),
		reload: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "importerd_config_last_reload_successful",
			Help: "Whether the configuration could be read when it was last read (0: the one before holds).",
		}),
		reloadAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "importerd_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration that holds was read.",
		}),
	}

	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "importerd_build_info",
		Help:        "1, with the versions of the daemon and of Go.",
		ConstLabels: prometheus.Labels{"version": o.Version, "go": runtime.Version()},
	})
	build.Set(1)

	m.registry.MustRegister(
		m.events, m.reload, m.reloadAt, build, newStanding(o.Spools),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.Reloaded(time.Now(), nil)

	return m
}

// Handler answers scrapes. If one spool cannot be shown the others still are.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapesAtOnce,
	})
}

// Reloaded notes that the configuration was read again at a time, or why it
// could not be.
func (m *Metrics) Reloaded(at time.Time, err error) {
	if err != nil {
		m.reload.Set(0)

		return
	}

	m.reload.Set(1)
	m.reloadAt.Set(seconds(at))
}

// Spool returns what counts for the spool of that name. All its series are there
// from now on, most of them 0: what changes from "not there" to 1 no rate sees.
func (m *Metrics) Spool(name string) *Spool { return m.events.spool(name) }

// Forget removes what was counted for a spool that is gone.
func (m *Metrics) Forget(name string) { m.events.forget(name) }

// seconds returns a time as Prometheus writes it.
func seconds(at time.Time) float64 { return float64(at.UnixNano()) / float64(time.Second) }
