package cgroup_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"importerd/internal/handler/cgroup"
)

// A child that has made a session of its own, and one that ignores all that can be
// ignored, end with the group.
func TestKillGetsAll(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	r := hold(t)
	g := newGroup(t, r, "job-1")
	cmd, child := inside(t, g, `
		trap "" TERM HUP INT
		setsid sh -c 'trap "" TERM HUP; echo $$; while :; do sleep 1000; done' &
		while :; do sleep 1000; done`)

	if group, err := unix.Getpgid(number(t, child)); err != nil || group == cmd.Process.Pid {
		t.Fatalf("the child is in group %d, %v", group, err)
	}

	g.Kill()

	if !g.AwaitEmpty(longWait) || isAlive(t, child) {
		t.Error("the child lives on")
	}

	_ = cmd.Wait()

	g.Remove()

	if exists(r, "job-1") {
		t.Error("the group is still there")
	}
}

func TestFreezeAndThaw(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	r := hold(t)
	g := newGroup(t, r, "job-1")
	count := filepath.Join(t.TempDir(), "count")
	_, _ = inside(t, g, `setsid sh -c 'echo $$; while :; do echo x >>`+count+`; done' & wait`)

	size := func() int64 {
		info, err := os.Stat(count)
		if err != nil {
			return 0
		}

		return info.Size()
	}

	if g.Gone() {
		t.Error("it is there, and is not")
	}

	for range 3 {
		if !g.Freeze(longWait) {
			t.Fatal("does not stand")
		}

		if got := fileOf(t, r, "job-1", "cgroup.events"); !strings.Contains(got, "frozen 1") {
			t.Fatalf("does not stand yet: %q", got)
		}

		before := size()

		if !g.Freeze(longWait) || size() != before {
			t.Errorf("counted from %d to %d while frozen", before, size())
		}

		g.Thaw()
		eventually(t, "it goes on", func() bool { return size() > before })
	}

	// What is frozen is killed all the same.
	if !g.Freeze(longWait) {
		t.Fatal("does not stand")
	}

	g.Kill()

	if !g.AwaitEmpty(longWait) {
		t.Error("what was frozen lives on")
	}
}

func TestSignalEachOnce(t *testing.T) {
	t.Parallel()
	needs(t, "setsid")

	r := hold(t)
	g := newGroup(t, r, "job-1")
	exe, err := os.Executable()
	must(t, err)

	told := filepath.Join(t.TempDir(), "told")
	cmd, _ := inside(t, g, `
		mkfifo `+told+`.up `+told+`.deaf
		setsid `+exe+` `+askMe+` `+told+` & read a <`+told+`.up
		setsid sh -c 'trap "" TERM; echo >`+told+`.deaf; while :; do sleep 0.01; done' & read a <`+told+`.deaf
		echo up; while :; do sleep 0.01; done`)

	main := cmd.Process.Pid

	g.Signal(func(pid int) bool { return pid == main }, sigterm)
	eventually(t, "one was asked", func() bool {
		text, _ := os.ReadFile(told)

		return string(text) == "x\n"
	})

	if !isAlive(t, itoa(main)) {
		t.Error("the one to be skipped was not")
	}

	g.Signal(nobody, syscall.SIGKILL)

	if !g.AwaitEmpty(longWait) {
		t.Error("somebody lives on")
	}
}

// What the processes of a group make below is part of it.
func TestGroupsBelow(t *testing.T) {
	t.Parallel()

	r := hold(t)
	g := newGroup(t, r, "job-1")
	below := filepath.Join(r.Path(), "job-1", "a", "b")
	_, child := inside(t, g, `mkdir -p `+below+`; echo 0 >`+below+`/cgroup.procs; echo $$; exec sleep 1000`)

	if got := fileOf(t, r, "job-1/a/b", "cgroup.procs"); got != child {
		t.Fatalf("%q is below, want %s", got, child)
	}

	if !g.Populated() || !g.Freeze(longWait) {
		t.Error("what is below does not count")
	}

	g.Signal(nobody, sigterm)
	g.Thaw()

	if !g.AwaitEmpty(longWait) {
		t.Error("what is below was not signalled")
	}

	g.Remove()

	if exists(r, "job-1") {
		t.Error("the group is still there")
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()

	g := newGroup(t, hold(t), "job-1")
	_, _ = inside(t, g, `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; exec sleep 1000`)

	if used := g.Usage(); used.CPU <= 0 || used.CPU > longWait || used.OOM != cgroup.NoOOM || used.MaxMemory != 0 {
		t.Errorf("used %+v", used)
	}
}

// A group that somebody has removed is an empty one.
func TestGroupIsGone(t *testing.T) {
	t.Parallel()

	r := hold(t)
	g := newGroup(t, r, "job-1")
	must(t, os.Remove(filepath.Join(r.Path(), "job-1")))

	if !g.Gone() || g.Populated() || !g.AwaitEmpty(0) {
		t.Error("something lives in it")
	}

	if g.Freeze(time.Millisecond) {
		t.Error("nothing can be frozen")
	}

	g.Kill()
	g.Thaw()
	g.Signal(nobody, sigterm)

	if used := g.Usage(); used != (cgroup.Usage{}) {
		t.Errorf("used %+v", used)
	}

	g.Remove()
}

// While something lives in a group it stays, and nobody else gets one of its name. It
// goes when the next one is made.
func TestPopulatedGroupStays(t *testing.T) {
	t.Parallel()

	r := hold(t)
	g := newGroup(t, r, "job-1")
	cmd, _ := inside(t, g, `echo up; exec sleep 1000`)
	g.Remove()

	if !exists(r, "job-1") {
		t.Fatal("the group is gone")
	}

	if _, err := r.New("job-1", cgroup.Limits{}); !errors.Is(err, unix.EAGAIN) || !strings.Contains(err.Error(), "job-1") {
		t.Errorf("got %v, want that processes live in it", err)
	}

	must(t, cmd.Process.Kill())
	_ = cmd.Wait()

	eventually(t, "the group is removed", func() bool {
		newGroup(t, r, "job-2").Remove()

		return !exists(r, "job-1")
	})
	newGroup(t, r, "job-1").Remove()
}
