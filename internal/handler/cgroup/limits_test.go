package cgroup_test

import (
	"strings"
	"testing"

	"importerd/internal/handler/cgroup"
)

func TestSize(t *testing.T) {
	t.Parallel()

	for bytes, want := range map[int64]string{
		512 << 20: "512M", 1 << 30: "1G", 3 << 40: "3T", 1 << 50: "1024T",
		1023: "1023", 1024: "1K", 1<<20 + 1: "1048577", 0: "0",
	} {
		if got := cgroup.Size(bytes); got != want {
			t.Errorf("%d is %q, want %q", bytes, got, want)
		}
	}
}

// Where controllers are missing the group is made all the same, and one can ask.
func TestUnmetLimits(t *testing.T) {
	t.Parallel()

	r := hold(t) // not enabled
	all := cgroup.Limits{Memory: 1 << 30, CPU: 50, PIDs: 10}

	err := r.Unmet(all)
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want one line for each", err)
	}

	if err := r.Unmet(cgroup.Limits{}); err != nil {
		t.Errorf("got %v, where nothing is wanted", err)
	}

	g, err := r.New("job-1", all)
	must(t, err)
	g.Remove()
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()

	limit := cgroup.Limits{Memory: 64 << 20}
	r := withController(t, "memory", limit)

	g, err := r.New("job-1", limit)
	must(t, err)

	if got := fileOf(t, r, "job-1", "memory.max"); got != "67108864" {
		t.Errorf("limit %s", got)
	}

	_, _ = inside(t, g, `echo up; exec tail /dev/zero`) // keeps all of an endless line

	if !g.AwaitEmpty(longWait) {
		t.Fatal("it lives on")
	}

	used := g.Usage()
	if used.OOM != cgroup.OOMLimit || used.MaxMemory < 32<<20 || used.MaxMemory > 65<<20 {
		t.Errorf("used %+v", used)
	}

	g.Remove()
}

func TestCPULimit(t *testing.T) {
	t.Parallel()

	limit := cgroup.Limits{CPU: 150}
	r := withController(t, "cpu", limit)

	g, err := r.New("job-1", limit)
	must(t, err)

	if got := fileOf(t, r, "job-1", "cpu.max"); got != "150000 100000" {
		t.Errorf("limit %q", got)
	}

	g.Remove()
}

func TestPIDsLimit(t *testing.T) {
	t.Parallel()

	limit := cgroup.Limits{PIDs: 2}
	r := withController(t, "pids", limit)

	g, err := r.New("job-1", limit)
	must(t, err)

	_, said := inside(t, g, `
		sleep 1000 & (sleep 1000 & sleep 0) 2>/dev/null && echo more || echo refused; exec sleep 1000`)
	if said != "refused" {
		t.Errorf("it got %s", said)
	}

	g.Kill()

	if !g.AwaitEmpty(longWait) {
		t.Error("it lives on")
	}

	g.Remove()
}
