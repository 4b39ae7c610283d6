package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"importerd/internal/control/wire"
)

// series is one number of each spool that is asked for at a scrape.
type series struct {
	name, help string
	kind       prometheus.ValueType
	of         func(s *wire.Spool, now time.Time) float64
}

// perSpool are the series of each spool.
var perSpool = []series{ //nolint:gochecknoglobals // a table that nobody writes to
	gauge("importerd_waiting_files", "Files in the inbox that are ready, or still settling.",
		func(s *wire.Spool) int { return s.Waiting }),
	gauge("importerd_settling_files", "Files in the inbox that are not known to be whole yet.",
		func(s *wire.Spool) int { return s.Settling }),
	gauge("importerd_ignored_files", "Files in the inbox that are not for this spool.",
		func(s *wire.Spool) int { return s.Ignored }),
	gauge("importerd_held_files", "Files that are not taken for a reason that a person should know.",
		func(s *wire.Spool) int { return s.Held }),
	{
		"importerd_oldest_waiting_seconds", "How long the oldest file waits in the inbox; 0: none waits.",
		prometheus.GaugeValue, func(s *wire.Spool, now time.Time) float64 { return age(s.OldestAt, now) },
	},
	gauge("importerd_workers", "How many jobs may run at a time.",
		func(s *wire.Spool) int { return s.Workers }),
	gauge("importerd_worker_processes", "Long-lived workers that are there.",
		func(s *wire.Spool) int { return s.Processes }),
	counter("importerd_worker_ends_total", "Long-lived workers that have ended without being asked to.",
		func(s *wire.Spool) uint64 { return uint64(max(s.Unexpected, 0)) }),
	gauge("importerd_running_jobs", "Jobs whose handler runs, paused ones too.",
		func(s *wire.Spool) int { return s.Running }),
	{
		"importerd_longest_running_seconds", "How long the run that began first has lasted; 0: none runs.",
		prometheus.GaugeValue, func(s *wire.Spool, now time.Time) float64 { return age(s.LongestAt, now) },
	},
	gauge("importerd_paused_jobs", "Jobs that a person has paused, running or deferred.",
		func(s *wire.Spool) int { return s.PausedJobs }),
	gauge("importerd_deferred_jobs", "Jobs that wait for their next attempt.",
		func(s *wire.Spool) int { return s.Deferred }),
	gauge("importerd_committing_jobs", "Jobs that have ended and are not written down yet.",
		func(s *wire.Spool) int { return s.Committing }),
	flag("importerd_spool_degraded", "Whether the spool does not work, or not as it should.",
		func(s *wire.Spool) bool { return s.Degraded != "" }),
	flag("importerd_spool_broken", "Whether the handler cannot work.",
		func(s *wire.Spool) bool { return s.Broken != "" }),
	flag("importerd_spool_disk_refuses", "Whether the disk refuses to take files or outcomes.",
		func(s *wire.Spool) bool { return s.Disk != "" }),
	flag("importerd_spool_paused", "Whether a person has paused the spool.",
		func(s *wire.Spool) bool { return s.Paused }),
	flag("importerd_spool_draining", "Whether the spool takes nothing more since the daemon is about to end.",
		func(s *wire.Spool) bool { return s.Draining }),
	flag("importerd_spool_events", "Whether the kernel tells of new files (0: only sweeps find them).",
		func(s *wire.Spool) bool { return s.Events }),
	counter("importerd_sweeps_total", "Full looks at the inbox.",
		func(s *wire.Spool) uint64 { return s.Sweeps }),
	counter("importerd_events_lost_total", "How often the kernel lost events; a sweep made up for it.",
		func(s *wire.Spool) uint64 { return s.EventsLost }),
	gauge("importerd_journal_done_jobs", "Jobs that the journal has as done.",
		func(s *wire.Spool) int { return s.Jobs.Done }),
	gauge("importerd_journal_failed_jobs", "Jobs that the journal has as failed or terminated.",
		func(s *wire.Spool) int { return s.Jobs.Failed + s.Jobs.Terminated }),
	gauge("importerd_journal_size_bytes", "Size of the journal.",
		func(s *wire.Spool) int64 { return s.JournalSize }),
}

// maybe are the series of those spools only that have a value for them: 0 would
// be read as a value.
var maybe = []series{ //nolint:gochecknoglobals // as above
	{
		"importerd_last_error_timestamp_seconds", "When a job last failed. Missing: none has.",
		prometheus.GaugeValue, func(s *wire.Spool, _ time.Time) float64 { return stamp(s.LastErrorAt) },
	},
	{
		"importerd_done_size_bytes", "Size of the files of all jobs that the journal has as done. Missing: not known.",
		prometheus.GaugeValue, func(s *wire.Spool, _ time.Time) float64 { return float64(s.DoneSize) },
	},
}

// gauge returns the series of a number that goes up and down.
func gauge[N int | int64](name, help string, of func(*wire.Spool) N) series {
	return series{
		name, help, prometheus.GaugeValue,
		func(s *wire.Spool, _ time.Time) float64 { return float64(of(s)) },
	}
}

// counter returns the series of a number that only grows.
func counter(name, help string, of func(*wire.Spool) uint64) series {
	return series{
		name, help, prometheus.CounterValue,
		func(s *wire.Spool, _ time.Time) float64 { return float64(of(s)) },
	}
}

// flag returns the series of what is so (1) or not (0).
func flag(name, help string, of func(*wire.Spool) bool) series {
	return series{name, help, prometheus.GaugeValue, func(s *wire.Spool, _ time.Time) float64 {
		if of(s) {
			return 1
		}

		return 0
	}}
}

// age returns how long ago at was, in seconds; 0: there is no such time.
func age(at, now time.Time) float64 {
	if at.IsZero() {
		return 0
	}

	return max(now.Sub(at), 0).Seconds()
}

// stamp returns a time in seconds since 1970; 0: it is none.
func stamp(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}

	return seconds(at)
}

// standing collects how the spools stand.
type standing struct {
	spools func() []wire.Spool
	descs  []*prometheus.Desc // of perSpool, then of maybe
}

func newStanding(spools func() []wire.Spool) *standing {
	c := &standing{spools: spools}

	for _, table := range [][]series{perSpool, maybe} {
		for _, one := range table {
			c.descs = append(c.descs, prometheus.NewDesc(one.name, one.help, []string{"spool"}, nil))
		}
	}

	return c
}

// Describe tells of all series.
func (c *standing) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		ch <- desc
	}
}

// Collect asks all spools how they stand.
func (c *standing) Collect(ch chan<- prometheus.Metric) {
	spools, now := c.spools(), time.Now()

	for i := range spools {
		s := &spools[i]

		for j, one := range perSpool {
			ch <- prometheus.MustNewConstMetric(c.descs[j], one.kind, one.of(s, now), s.Name)
		}

		for j, one := range maybe {
			if value := one.of(s, now); value != 0 {
				ch <- prometheus.MustNewConstMetric(c.descs[len(perSpool)+j], one.kind, value, s.Name)
			}
		}
	}
}
