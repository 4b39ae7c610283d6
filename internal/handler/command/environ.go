package command

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"importerd/internal/handler"
	"importerd/internal/job"
)

// jobPrefix begins the names of the variables that tell of the job.
const jobPrefix = "IMPORTERD_JOB_"

// ours says whether a variable of the daemon's environment concerns only the
// daemon: its talk with systemd, its secrets, its own options.
func ours(key string) bool {
	if key == "NOTIFY_SOCKET" {
		return true
	}

	for _, prefix := range []string{"WATCHDOG_", "LISTEN_", "CREDENTIALS_", "IMPORTERD_"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}

	return false
}

// checkEnv says which of the configured variables no process can be given.
func checkEnv(env map[string]string) error {
	var errs []error

	for _, key := range slices.Sorted(maps.Keys(env)) {
		switch {
		case key == "" || strings.ContainsAny(key, "=\x00"):
			errs = append(errs, fmt.Errorf("%q cannot be the name of an environment variable", key))
		case strings.IndexByte(env[key], 0) >= 0:
			errs = append(errs, fmt.Errorf("environment variable %s holds a NUL byte", key))
		}
	}

	return errors.Join(errs...)
}

// baseEnviron returns the environment that all runs share: the daemon's less
// what is ours, PWD for the working directory, and over these what is
// configured. The names of the job's variables are not open to configuration.
// Of a name that stands twice the last counts, as a shell would take it.
func baseEnviron(daemon []string, configured map[string]string, dir string) map[string]string {
	env := make(map[string]string, len(daemon)+len(configured)+1)

	for _, entry := range daemon {
		key, value, ok := strings.Cut(entry, "=")
		if ok && key != "" && !ours(key) {
			env[key] = value
		}
	}

	env["PWD"] = dir

	for key, value := range configured {
		if !strings.HasPrefix(key, jobPrefix) {
			env[key] = value
		}
	}

	return env
}

// environList returns env as a process gets it, in the order of the names.
func environList(env map[string]string) []string {
	list := make([]string, 0, len(env))

	for _, key := range slices.Sorted(maps.Keys(env)) {
		list = append(list, key+"="+env[key])
	}

	return list
}

// environ returns the environment of one run.
func (b *base) environ(variables []string) []string {
	return slices.Concat(b.env, variables)
}

// jobVariables returns what tells a command of its job.
func jobVariables(spool string, task handler.Task) []string {
	variables := recordVariables(spool, task.Path, task.Job)

	if task.Results != "" {
		variables = append(variables, jobPrefix+"RESULTS="+task.Results)
	}

	return variables
}

// recordVariables returns what tells any command of ours which job it is about.
func recordVariables(spool, path string, record job.Record) []string {
	return []string{
		jobPrefix + "FILE=" + path,
		jobPrefix + "NAME=" + record.Name,
		jobPrefix + "SPOOL=" + spool,
		jobPrefix + "ID=" + record.ID.String(),
		jobPrefix + "ATTEMPT=" + strconv.Itoa(record.Attempt),
		jobPrefix + "CHECKPOINT=" + withoutNUL(record.Checkpoint),
	}
}

// withoutNUL returns s, or nothing if it holds a byte that cannot be part of an
// environment: a command that begins anew is better than none that begins.
func withoutNUL(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		return ""
	}

	return s
}
