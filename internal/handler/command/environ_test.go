package command

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// childEnviron runs env and returns what it prints, sorted.
func childEnviron(t *testing.T, change func(*Config), results, checkpoint string) ([]string, []string) {
	t.Helper()

	c := shell(t, "env -0")
	c.Environ = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	change(&c)

	task := newTask(t, "a\xffb\n.csv")
	task.Results = results
	task.Job.Checkpoint = checkpoint
	task.Job.Attempt = 3

	if exit := newHandler(t, c).Run(t.Context(), task); exit.Code != 0 {
		t.Fatalf("exit %+v", exit)
	}

	lines := strings.SplitN(readLog(t, task), "\n", 2) // the first is the header of attempt 3
	got := strings.Split(strings.TrimSuffix(lines[1], "\x00"), "\x00")
	want := []string{
		"IMPORTERD_JOB_FILE=" + task.Path, "IMPORTERD_JOB_NAME=a\xffb\n.csv", "IMPORTERD_JOB_SPOOL=orders",
		"IMPORTERD_JOB_ID=" + task.Job.ID.String(), "IMPORTERD_JOB_ATTEMPT=" + strconv.Itoa(task.Job.Attempt),
	}

	slices.Sort(got)

	return got, append(want, "PWD="+c.Dir, "PATH=/usr/local/bin:/usr/bin:/bin")
}

// withoutShell drops what sh adds by itself.
func withoutShell(environ []string) []string {
	return slices.DeleteFunc(environ, func(s string) bool {
		return strings.HasPrefix(s, "_=") || strings.HasPrefix(s, "SHLVL=") || strings.HasPrefix(s, "OLDPWD=")
	})
}

func TestEnvironment(t *testing.T) {
	t.Parallel()

	got, want := childEnviron(t, func(c *Config) {
		c.Environ = append(c.Environ,
			"NOTIFY_SOCKET=/x", "WATCHDOG_USEC=1", "WATCHDOG_PID=1", "LISTEN_PID=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=api",
			"CREDENTIALS_DIRECTORY=/x", "IMPORTERD_TOKEN=secret", "IMPORTERD_JOB_FILE=/etc/passwd",
			"KEPT=first", "KEPT=second", "RAW=a=b\xff\n", "no variable", "=odd", "NOTIFY_SOCKETS=kept", "PWD=/wrong",
			"PGHOST=db0")
		c.Env = map[string]string{
			"PGHOST": "db1", "IMPORTERD_JOB_NAME": "no", "IMPORTERD_JOB_RESULTS": "no", "IMPORTERD_MINE": "kept",
		}
	}, "", "")

	want = append(want, "KEPT=second", "RAW=a=b\xff\n", "NOTIFY_SOCKETS=kept", "PGHOST=db1", "IMPORTERD_MINE=kept",
		"IMPORTERD_JOB_CHECKPOINT=")
	slices.Sort(want)

	if got = withoutShell(got); !slices.Equal(got, want) {
		t.Errorf("environment\n%q\nwant\n%q", got, want)
	}
}

func TestEnvironmentOfALaterAttempt(t *testing.T) {
	t.Parallel()

	for checkpoint, told := range map[string]string{
		"row 17": "row 17", "raw \xff=\n": "raw \xff=\n", "no\x00environment": "",
		strings.Repeat("c", maxLine): strings.Repeat("c", maxLine),
	} {
		got, want := childEnviron(t, func(c *Config) {
			c.Env = map[string]string{"PWD": "/configured"}
		}, "/spool/work/results", checkpoint)

		want = slices.DeleteFunc(want, func(s string) bool { return strings.HasPrefix(s, "PWD=") })
		want = append(want, "IMPORTERD_JOB_CHECKPOINT="+told, "IMPORTERD_JOB_RESULTS=/spool/work/results")
		slices.Sort(want)

		// sh corrects it, whatever it is given.
		got = slices.DeleteFunc(withoutShell(got), func(s string) bool { return strings.HasPrefix(s, "PWD=") })
		if !slices.Equal(got, want) {
			t.Errorf("environment\n%q\nwant\n%q", got, want)
		}
	}
}

// Not by way of sh, which sets PWD itself.
func TestWorkingDirectoryIsToldTruly(t *testing.T) {
	t.Parallel()

	c := config(t, "printenv", "PWD")
	c.Environ = append(c.Environ, "PWD=/wrong")
	task := newTask(t, "a.csv")
	newHandler(t, c).Run(t.Context(), task)

	if got := readLog(t, task); got != c.Dir+"\n" {
		t.Errorf("PWD %q, want %q", got, c.Dir)
	}
}

func TestRunsDoNotShareTheirEnvironment(t *testing.T) {
	t.Parallel()

	h := newHandler(t, config(t, "true"))
	one := h.base.environ([]string{"A=1"})
	two := h.base.environ([]string{"A=2"})

	if last := one[len(one)-1]; last != "A=1" || two[len(two)-1] != "A=2" {
		t.Errorf("the first run's environment ends in %s after the second began", last)
	}
}
