package cgroup_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"importerd/internal/handler/cgroup"
)

// Where no process can be started in a group, that is known before one is wanted, and
// told of each that is.
func TestNoClone3(t *testing.T) {
	t.Parallel()
	needs(t, "true")

	r := hold(t)
	must(t, r.Usable())

	r.ForbidClone3(unix.ENOSYS)

	if err := r.Usable(); !errors.Is(err, unix.ENOSYS) {
		t.Errorf("got %v, want ENOSYS", err)
	}

	g := newGroup(t, r, "job-1")
	attr := &syscall.ProcAttr{Env: os.Environ(), Sys: &syscall.SysProcAttr{}}

	if _, err := g.Start("/bin/true", []string{"true"}, attr); !errors.Is(err, cgroup.ErrOutside) {
		t.Errorf("got %v, want ErrOutside", err)
	}

	r.Enter()
	must(t, r.Usable())

	pid, err := g.Start("/bin/true", []string{"true"}, attr)
	must(t, err)

	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		t.Error(err)
	}

	if _, err := g.Start("/no/such", []string{"x"}, attr); err != unix.ENOENT { //nolint:errorlint // bare
		t.Errorf("got %v, want ENOENT", err)
	}

	must(t, os.Remove(filepath.Join(r.Path(), "job-1")))

	if _, err := g.Start("/bin/true", []string{"true"}, attr); !errors.Is(err, cgroup.ErrOutside) {
		t.Errorf("got %v, want ErrOutside", err)
	}
}
