package config

import (
	"strings"
	"time"
)

// Setting is one row of the table from which the keys of the file, the flags,
// their help and their bounds come.
type Setting struct {
	Key     string // in the file, as kill_after
	Flag    string // on the command line, as kill-after; empty: only in the file
	Help    string // one clause
	example string // what one could write in the file
	bind    func(*Spool) field
}

// Value binds a setting that has a flag to its field in s.
func (t Setting) Value(s *Spool) Value {
	value, ok := t.bind(s).(scalar)
	if !ok {
		panic("bug: no flag can set " + t.Key)
	}

	return Value{value}
}

// Settings returns all settings of a spool, in the order of the help.
func Settings() []Setting {
	return append(handlerSettings(), tuningSettings()...)
}

// handlerSettings are those that say what is done with which files.
func handlerSettings() []Setting {
	return []Setting{
		{
			Key: "dir", Help: "the spool's directory", example: `"/srv/importerd/orders"`,
			bind: func(s *Spool) field { return text{&s.Dir, "DIR", needPath} },
		}, {
			Key: "command", Help: "program and arguments, {} for the file",
			example: `["/usr/local/bin/load-orders", "{}"]`,
			bind:    func(s *Spool) field { return needed{list{&s.Command, "ARG", checkArg}} },
		}, {
			Key: "worker", Help: "long-lived program instead of command, which is given one job after the other",
			example: `["python3", "/usr/local/lib/clicks.py"]`,
			bind:    func(s *Spool) field { return needed{list{&s.Worker, "ARG", checkWorkerArg}} },
		}, {
			Key: "env", Help: "added to the command's environment", example: `{ PGHOST = "db1" }`,
			bind: func(s *Spool) field { return table{&s.Env, checkEnv} },
		}, {
			Key: "cwd", Help: "the command's working directory", example: `"/srv/importerd/orders"`,
			bind: func(s *Spool) field { return text{&s.Cwd, "DIR", checkPath} },
		}, {
			Key: "on_failed", Help: "run when a job failed, with the reason on standard input",
			example: `["/usr/local/bin/tell-someone"]`,
			bind:    func(s *Spool) field { return list{&s.OnFailed, "ARG", checkArg} },
		}, {
			Key: "inbox", Flag: "inbox", Help: "another path for the inbox, on the same mount (default DIR/inbox)",
			example: `"/srv/sftp/orders"`,
			bind:    func(s *Spool) field { return text{&s.Inbox, "DIR", checkPath} },
		}, {
			Key: "match", Flag: "match", Help: "take only names that match; may be repeated (default all)",
			example: `["*.csv", "*.csv.gz"]`,
			bind:    func(s *Spool) field { return list{&s.Match, "GLOB", checkGlob} },
		}, {
			Key: "results", Flag: "results", Help: "give the command a directory for what it produces", example: "true",
			bind: func(s *Spool) field { return truth{&s.Results} },
		},
	}
}

// tuningSettings are those that say when, how often and how long.
func tuningSettings() []Setting {
	return []Setting{
		{
			Key: "workers", Flag: "workers", Help: "files handled at a time", example: "4",
			bind: func(s *Spool) field { return number{&s.Workers, 1, 1024} },
		},
		{
			Key: "inflight", Help: "jobs at a time on each worker", example: "16",
			bind: func(s *Spool) field { return number{&s.Inflight, 1, 1024} },
		},
		{
			Key: "ready", Flag: "ready", Help: "how to tell that a file is whole", example: `"auto"`,
			bind: func(s *Spool) field {
				return choice[Ready]{&s.Ready, []Ready{ReadyAuto, ReadySettle, ReadyMarker}}
			},
		},
		{
			Key: "marker", Flag: "marker", Help: "with --ready marker: suffix of the marker files", example: `".done"`,
			bind: func(s *Spool) field { return text{&s.Marker, "SUFFIX", checkMarker} },
		},
		{
			Key: "order", Flag: "order", Help: "which of the waiting files come first", example: `"age"`,
			bind: func(s *Spool) field {
				return choice[Order]{&s.Order, []Order{OrderNone, OrderAge, OrderName}}
			},
		},
		spanSetting("settle", "quiet time where the kernel cannot say who writes", "2s",
			func(s *Spool) span { return span{p: &s.Settle, high: time.Hour} }),
		spanSetting("linger", "quiet time after a write that was seen", "250ms",
			func(s *Spool) span { return span{p: &s.Linger, high: time.Hour} }),
		spanSetting("sweep", "look through the whole inbox so often", "5s",
			func(s *Spool) span { return span{p: &s.Sweep, low: 100 * time.Millisecond, high: time.Hour} }),
		spanSetting("drain", "at a stop, wait so long for what runs", "60s",
			func(s *Spool) span { return span{p: &s.Drain, high: 7 * day} }),
		{
			Key: "attempts", Flag: "attempts", Help: "give a file up after so many attempts", example: "8",
			bind: func(s *Spool) field { return number{&s.Attempts, 1, 1000} },
		},
		{
			Key: "backoff", Flag: "backoff", Help: "shortest and longest wait between attempts", example: `"2s..10m"`,
			bind: func(s *Spool) field { return waits{&s.Backoff, 10 * time.Millisecond, 30 * day} },
		},
		spanSetting("timeout", "end an attempt that takes longer", "10m", func(s *Spool) span {
			return span{p: &s.Timeout, low: 10 * time.Millisecond, high: 30 * day, none: true}
		}),
		spanSetting("kill_after", "from SIGTERM to SIGKILL", "10s",
			func(s *Spool) span { return span{p: &s.KillAfter, high: time.Hour} }),
		{
			Key: "keep", Help: "how long what has ended is kept", example: `{ done = "30d", failed = "90d", logs = "7d" }`,
			bind: func(s *Spool) field { return keeping{&s.Keep} },
		},
		{
			Key: "limits", Help: "how much one attempt may have, where a cgroup is delegated",
			example: `{ memory = "512M", cpu = "50%", pids = 100 }`,
			bind:    func(s *Spool) field { return limiting{&s.Limits} },
		},
	}
}

// spanSetting is the row of a duration.
func spanSetting(key, help, example string, bind func(*Spool) span) Setting {
	return Setting{
		Key: key, Flag: strings.ReplaceAll(key, "_", "-"), Help: help, example: `"` + example + `"`,
		bind: func(s *Spool) field { return bind(s) },
	}
}
