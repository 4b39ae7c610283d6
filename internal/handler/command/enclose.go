package command

import (
	"errors"
	"syscall"

	"importerd/internal/handler/cgroup"
	"importerd/internal/job"
)

// enclose makes the cgroup for the run. That it gets none is an error only where
// processes of an earlier attempt live in it, or where its limits are not kept.
func (r *run) enclose() error {
	if r.groups == nil {
		return nil
	}

	groups := r.groups()
	if groups == nil {
		return nil
	}

	group, err := groups.New(r.name, r.limits)
	if errors.Is(err, cgroup.ErrNone) {
		return nil
	}

	r.tree.cgroup = group

	return err //nolint:wrapcheck // it names the cgroup
}

// launch starts the program in the cgroup, or without one if that cannot be.
func (r *run) launch(program string, attr *syscall.ProcAttr) (int, error) {
	if r.tree.cgroup == nil {
		pid, _, err := syscall.StartProcess(program, r.argv, attr)

		return pid, err //nolint:wrapcheck // explained by the caller
	}

	pid, err := r.tree.cgroup.Start(program, r.argv, attr)
	if !errors.Is(err, cgroup.ErrOutside) {
		return pid, err //nolint:wrapcheck // as above
	}

	r.tree.release()

	pid, _, again := syscall.StartProcess(program, r.argv, attr)
	if again == nil {
		r.groups().Tell(err)
	}

	return pid, again //nolint:wrapcheck // as above
}

// account puts what the cgroup knows of the run into exit, and removes it.
func (r *run) account(exit *job.Exit) {
	group := r.tree.cgroup
	if group == nil {
		return
	}

	used := group.Usage()
	exit.MaxMemory, exit.CPU = used.MaxMemory, max(used.CPU, exit.CPU)

	switch used.OOM {
	case cgroup.NoOOM:
	case cgroup.OOMMachine:
		exit.OOM = "out of memory"
	case cgroup.OOMLimit:
		exit.OOM = "out of memory, limit " + cgroup.Size(r.limits.Memory)
	}

	r.tree.release()
}

// release removes the cgroup, in which nothing is to happen any more.
func (t *tree) release() {
	if t.cgroup != nil {
		t.cgroup.Remove()

		t.cgroup = nil
	}
}
